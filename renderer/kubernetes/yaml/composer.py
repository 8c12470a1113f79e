"""YAML text parsed by libyaml into node trees, within limits of depth and size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml import ScalarNode, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs leave the C parser out
from yaml.error import MarkedYAMLError
from yaml.nodes import Node

from renderer.errors import CONFLICT, Finding, RollstepError
from renderer.kubernetes.yaml.node_tree import PLAIN, QUOTED, nodes
from renderer.kubernetes.yaml.strict_json import MAX_DEPTH, MIN_VALUE_LIMIT, line_and_column, value_limit

TEMPLATE_HINT = "a Jinja template is a file named *.yaml.j2; a Helm chart is rendered by a command, see source.exec"

_TEMPLATE = re.compile(r"^[^#\n]*(\{\{|\{%)", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) [^\r\n]{0,80}", re.MULTILINE)
_BARE_TAG = re.compile(r"!\s")
_BARE_TAG_OF_NODE = re.compile(r"(?:&\S+\s+)?!\s")
_SAFE_COUNT = MAX_DEPTH // 5
"""So many braces, and so many columns before a key, stay within MAX_DEPTH."""
_FAR_RIGHT = re.compile(rf"^[ \t?:-]{{{_SAFE_COUNT}}}", re.MULTILINE)
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that libyaml's reader refuses (``yaml_parser_update_buffer`` of libyaml 0.2.5)."""


class _Composer(CParser):
    """libyaml's parser, with the resolution of plain scalars left to ``scalars``."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


class _CountingComposer(_Composer):
    """Counts the levels at each request for a tag: the parser recurses for each level and would overflow the stack."""

    depth = 0
    nodes = 0
    limit = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        self.nodes += 1
        if self.depth > MAX_DEPTH or self.nodes > self.limit:
            deep, large = f"is more than {MAX_DEPTH} levels deep", f"has more than {self.limit} keys and values"
            mark = parent.start_mark if parent else None
            raise MarkedYAMLError(problem=f"it {deep if self.depth > MAX_DEPTH else large}", problem_mark=mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def compose(text: str, file: str) -> Iterator[Node]:
    """Yield the node tree of each document; raise RollstepError for what is not YAML."""
    try:
        composer = _composer(text)
        bare_tags = _BARE_TAG.search(text)
        while composer.check_node():
            node = composer.get_node()
            assert node is not None  # check_node has seen one
            if bare_tags:
                _quote_tagged(node, text)
            yield node
    except (YAMLError, RecursionError, ValueError) as error:
        raise RollstepError([_refusal(error, text, file)]) from error


def _composer(text: str) -> _Composer:
    """Return a parser for ``text``; only a text that may exceed a limit gets the slower one that counts."""
    if 2 * len(text) < MIN_VALUE_LIMIT and not _may_be_deep(text):
        return _Composer(text)
    composer = _CountingComposer(text)
    composer.limit = value_limit(text)
    return composer


def _may_be_deep(text: str) -> bool:
    """Return whether ``text`` may exceed MAX_DEPTH: a brace, or a column before a key, opens two levels at most."""
    # Other line breaks than newlines are not counted.
    if "\r" in text or not text.isascii() or text.count("[") + text.count("{") > _SAFE_COUNT:
        return True
    return _FAR_RIGHT.search(text) is not None


def _refusal(error: Exception, text: str, file: str) -> Finding:
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        message = f"is not YAML: {CONFLICT} ({conflict.group()})"
        hint = f"edit it, then `git add {file}`; `rollstep resolve` does so for status.yaml and rendered files"
        return Finding(file, line, 1, "", message, hint)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        # The parser may find the error one line late.
        near = "\n".join(text.split("\n")[max(line - 2, 0) : line])
        hint = TEMPLATE_HINT if _TEMPLATE.search(near) else ""
        return Finding(file, line, column, "", f"is not YAML: {error.problem}", hint)
    wrong = _NOT_ALLOWED.search(text)
    if not wrong:
        return Finding(file, 0, 0, "", f"is not YAML: {error}")
    message = f"is not YAML: the character U+{ord(wrong.group()):04X} is not allowed"
    hint = "remove it, or write it with a backslash in double quotes"
    return Finding(file, *line_and_column(text, wrong.start()), "", message, hint)


def _quote_tagged(root: Node, text: str) -> None:
    """Give scalars with the bare tag ``!``, which libyaml hides, the tag of quoted ones."""
    for node in nodes(root):
        if isinstance(node, ScalarNode) and node.tag == PLAIN and _BARE_TAG_OF_NODE.match(text, node.start_mark.index):
            node.tag = QUOTED
