"""The comments of a manifest, and the scalars and tags that tools read differently."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.yaml.composer import compose
from renderer.kubernetes.yaml.node_tree import PLAIN, QUOTED, is_merge
from renderer.kubernetes.yaml.scalars import CORE, Scalar, is_known_tag, plain_scalar
from renderer.verbs.lint.comments import Comment
from renderer.verbs.lint.rules import RULES

MOST_DIFFERENCES = 1000
"""The findings of a file after which the rest of it is not searched."""
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\r\n]*", re.MULTILINE)
_BLANK = re.compile(r"[ \t]*(#.*)?")
_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_OF_COLLECTION = {"mapping": f"{CORE}map", "sequence": f"{CORE}seq"}
_CORE_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_CORE_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CORE_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}


def scan_text(text: str, file: str) -> tuple[list[Comment], list[Finding]]:
    """Return the comments of a YAML stream, and findings about its scalars and tags.

    Findings are scalars that YAML 1.2 reads as another value, and tags that Kubernetes drops.  Both lists are empty for
    invalid YAML, which reading reports.
    """
    try:
        roots = list(compose(text.removeprefix("\ufeff"), file))
    except RollstepError:
        return [], []
    seen: set[int] = set()
    found: list[tuple[Any, tuple[str | int, ...]]] = []
    for node in roots:
        _collect(node, (), seen, found)
    scalars = [(node, path) for node, path in found if node.id == "scalar"]
    spans = sorted((node.start_mark.index, node.end_mark.index) for node, _ in scalars)
    tags = (_dropped_tag(node, path, file) for node, path in found) if "!" in text else iter(())
    values = (_difference(node, path, file) for node, path in scalars)
    findings = list(islice((finding for finding in chain(tags, values) if finding), MOST_DIFFERENCES))
    return list(_comments(text.removeprefix("\ufeff"), file, spans)), findings


def _collect(
    node: Any, path: tuple[str | int, ...], seen: set[int], found: list[tuple[Any, tuple[str | int, ...]]]
) -> None:
    """Add every node at and below ``node`` to ``found``, keys too, with its path; aliased nodes are added once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    found.append((node, path))
    if node.id == "sequence":
        for index, item in enumerate(node.value):
            _collect(item, (*path, index), seen, found)
    elif node.id == "mapping":
        for key, value in node.value:
            name = str(key.value) if key.id == "scalar" else "?"
            _collect(key, (*path, name), seen, found)
            _collect(value, (*path, name), seen, found)


def _comments(text: str, file: str, spans: list[tuple[int, int]]) -> Iterator[Comment]:
    """Yield the comments; a ``#`` within a scalar (``spans`` are their offsets) begins none."""
    starts = [start for start, _ in spans]
    breaks = [match.end() for match in _BREAK.finditer(text)]
    lines = _BREAK.split(text)
    # The first line from each one on that is not blank; the last line stands for none.
    following = list(range(len(lines)))
    for line in reversed(range(len(lines) - 1)):
        if _BLANK.fullmatch(lines[line]):
            following[line] = following[line + 1]
    for match in _COMMENT.finditer(text):
        at = match.start()
        before = bisect_right(starts, at) - 1
        if before >= 0 and at < spans[before][1]:
            continue
        line = bisect_right(breaks, at)
        column = at - (breaks[line - 1] if line else 0)
        alone = not lines[line][:column].strip()
        yield Comment(file, line + 1, column + 1, match.group(), (following[line] if alone else line) + 1)


def _difference(node: Any, path: tuple[str | int, ...], file: str) -> Finding | None:
    if node.tag != PLAIN:
        return None
    try:
        value = plain_scalar(node.value)
    except ValueError:
        return None
    other = core_scalar(node.value)
    if type(value) is type(other) and value == other:
        return None
    # Go's JSON writes a whole float as an integer.
    if value == other and not isinstance(value, bool | str) and not isinstance(other, bool | str):
        return None
    mark = node.start_mark
    message = f"{node.value} is {_described(value)} to Kubernetes, and {_described(other)} in YAML 1.2"
    hint = "write true or false, or put it in quotes" if isinstance(value, bool) else RULES["RS010"].what_to_do
    return Finding(file, mark.line + 1, mark.column + 1, field_path(path), message, hint, "RS010")


def _dropped_tag(node: Any, path: tuple[str | int, ...], file: str) -> Finding | None:
    """Return a finding about a tag that turns a scalar into text, or that Kubernetes ignores on a collection."""
    tag = str(node.tag)
    if tag in (PLAIN, QUOTED, _OF_COLLECTION.get(node.id)) or is_merge(node):
        return None
    if node.id == "scalar" and is_known_tag(tag):
        return None
    shown = f"!!{tag.removeprefix(CORE)}" if tag.startswith(CORE) else tag
    found = f'the text "{node.value[:40]}"' if node.id == "scalar" else f"a plain {node.id}"
    message = f"Kubernetes does not know the tag {shown}, and reads {found}"
    mark = node.start_mark
    hint = RULES["RS011"].what_to_do
    return Finding(file, mark.line + 1, mark.column + 1, field_path(path), message, hint, "RS011")


def core_scalar(text: str) -> Scalar:
    """Return the value of a plain scalar by the core schema of YAML 1.2.2 (section 10.3.2)."""
    if text in _CORE_WORDS:
        return _CORE_WORDS[text]
    if _CORE_INT.fullmatch(text) and len(text) < 1000:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        value = int(text[2:] if base != 10 else text, base)
        # Go reads numbers beyond 64 bits as floats or text, whatever the version of YAML.
        return value if -(2**63) <= value < 2**64 else plain_scalar(text)
    if _CORE_FLOAT.fullmatch(text):
        return plain_scalar(text)
    return text


def _described(value: Scalar) -> str:
    if isinstance(value, str):
        return f'the text "{value}"'
    return "null" if value is None else str(value).lower()
