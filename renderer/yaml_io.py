"""The one module that knows YAML: reading as Kubernetes does, writing canonically, editing a user's file in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from yaml import MappingNode, ScalarNode, SequenceNode, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs leave the C parser out
from yaml.nodes import CollectionNode, Node

from renderer.errors import Finding, RollstepError
from renderer.manifest import Source, field_path
from renderer.yaml_scalars import Scalar, double_quoted, is_literal, plain_scalar, scalar_text, tagged_scalar

FieldPath: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 200
"""Levels of nesting; the deepest fields of Kubernetes' own types lie some 30 levels deep."""
MAX_NODES = 2_000_000
"""Values in one document after its aliases are expanded: what keeps a small file from filling the memory."""

_PLAIN, _QUOTED = "plain", "quoted"
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: its value as JSON has it, and where its fields stand."""

    value: Any
    source: Source


class _Composer(CParser):
    """libyaml's parser, with the resolution of plain scalars left to :func:`plain_scalar`.

    The parser calls itself for each level and would overflow the stack: so levels are counted where it asks for a tag.
    """

    depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        return _PLAIN if kind is ScalarNode and implicit[0] else _QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise YAMLError(f"it is more than {MAX_DEPTH} levels deep")

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _Positions(Mapping[FieldPath, tuple[int, int]]):
    """Line and column of each field, found in the node tree when somebody asks."""

    def __init__(self, root: Node, first_line: int = 1) -> None:
        self._root = root
        self._first_line = first_line

    def __getitem__(self, path: FieldPath) -> tuple[int, int]:
        node, mark = self._root, self._root.start_mark
        for part in path:
            entry = _entry(node, part)
            if entry is None:
                raise KeyError(path)
            mark, node = entry[0].start_mark, entry[1]
        return mark.line + self._first_line, mark.column + 1

    def __iter__(self) -> Iterator[FieldPath]:
        return _paths(self._root, ())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_text(path: Path, shown: str | None = None) -> str:
    """Return the text of a file in UTF-8, a byte order mark dropped; ``shown`` is the path as findings name it.

    Raises RollstepError where the file cannot be read, is not UTF-8, or holds a NUL byte.
    """
    shown = shown or str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RollstepError([Finding(shown, 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    return decode(content, shown)


def decode(content: bytes, shown: str) -> str:
    """Return ``content`` as text: UTF-8 without a byte order mark and without NUL bytes; raise RollstepError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise RollstepError([Finding(shown, line, 0, "", message, "save the file as UTF-8")]) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RollstepError([Finding(shown, line, 0, "", "NUL byte: this is not a YAML text")])
    return text


def load_documents(text: str, file: str, scalar: Callable[[str], Scalar] = plain_scalar) -> list[Document]:
    """Return the documents of a YAML stream, empty ones left out; ``file`` is its name in findings.

    Values are those that Kubernetes reads; ``scalar`` says what a plain one means.  Raises RollstepError with what is
    not YAML, duplicate keys, unknown tags, and documents that are too deep or too large.
    """
    documents = []
    findings: list[Finding] = []
    for node in _compose(text, file):
        constructor = _Constructor(file, scalar)
        value = constructor.value(node, (), 0)
        findings += constructor.findings
        if value is not None:
            documents.append(Document(value, Source(file, _Positions(node))))
    if findings:
        raise RollstepError(findings)
    return documents


def load_json_lines(text: str, file: str) -> list[Document]:
    """Return a document for every line of JSON that is not blank; raise RollstepError with all that are none."""
    documents, findings = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            documents.append(Document(json.loads(line), Source(file, {(): (number, 1)})))
        except (ValueError, RecursionError) as error:
            findings.append(Finding(file, number, 0, "", f"is not JSON: {error}"))
    if findings:
        raise RollstepError(findings)
    return documents


def compose(text: str, file: str) -> list[Node]:
    """Return the node tree of each document, for edits by position; raise RollstepError for what is not YAML."""
    return list(_compose(text, file))


def _compose(text: str, file: str) -> Iterator[Node]:
    try:
        composer = _Composer(text)
        while composer.check_node():
            node = composer.get_node()
            assert node is not None  # check_node has seen one
            yield node
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise RollstepError([Finding(file, line, column, "", f"is not YAML: {problem}")]) from error
    except (RecursionError, ValueError, UnicodeEncodeError) as error:
        raise RollstepError([Finding(file, 0, 0, "", f"is not YAML: {error}")]) from error


class _Constructor:
    """Makes plain values of one document's nodes, and collects what is wrong with them."""

    def __init__(self, file: str, scalar: Callable[[str], Scalar]) -> None:
        self.file = file
        self.scalar = scalar
        self.findings: list[Finding] = []
        self.nodes = 0

    def value(self, node: Node, path: FieldPath, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            message = f"the document is too large: its aliases expand to more than {MAX_NODES} values"
            raise RollstepError([self._finding(node, path, message)])
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, MappingNode)
        return self._mapping(node, path, depth)

    def _scalar(self, node: ScalarNode, path: FieldPath) -> Any:
        tag = node.tag
        if tag == _QUOTED:
            return node.value
        try:
            return self.scalar(node.value) if tag == _PLAIN else tagged_scalar(tag, node.value)
        except ValueError as error:
            self.findings.append(self._finding(node, path, str(error)))
            return node.value

    def _mapping(self, node: MappingNode, path: FieldPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, ScalarNode) and key_node.tag == _PLAIN and key_node.value == _MERGE:
                for key, value in self._merge(value_node, path, depth).items():
                    merged.setdefault(key, value)
                continue
            key = self._key(key_node, path)
            if key in result:
                message = f"the key {key!r} stands twice"
                self.findings.append(self._finding(key_node, (*path, key), message, "remove one of them"))
            result[key] = self.value(value_node, (*path, key), depth + 1)
        for key, value in merged.items():
            result.setdefault(key, value)
        return result

    def _merge(self, node: Node, path: FieldPath, depth: int) -> dict[str, Any]:
        parts = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, MappingNode):
                self.findings.append(self._finding(part, path, "<< can merge mappings only"))
                continue
            for key, value in self.value(part, path, depth + 1).items():
                merged.setdefault(key, value)
        return merged

    def _key(self, node: Node, path: FieldPath) -> str:
        if not isinstance(node, ScalarNode):
            self.findings.append(self._finding(node, path, "a key must be a string"))
            return ""
        value = self._scalar(node, path)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if value is None:
            self.findings.append(self._finding(node, path, "a key must not be null", "put it in quotes"))
            return ""
        return str(value)

    def _finding(self, node: Node, path: FieldPath, message: str, hint: str = "") -> Finding:
        mark = node.start_mark
        return Finding(self.file, mark.line + 1, mark.column + 1, field_path(path), message, hint)


def _entry(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """Return the node to point at and the value node of one field or item; None where there is none."""
    if isinstance(node, SequenceNode) and isinstance(part, int):
        return (node.value[part], node.value[part]) if 0 <= part < len(node.value) else None
    if not isinstance(node, MappingNode):
        return None
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and key_node.value == part and key_node.value != _MERGE:
            return key_node, value_node
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and key_node.value == _MERGE and key_node.tag == _PLAIN:
            for merged in value_node.value if isinstance(value_node, SequenceNode) else [value_node]:
                entry = _entry(merged, part)
                if entry is not None:
                    return entry
    return None


def _paths(node: Node, path: FieldPath) -> Iterator[FieldPath]:
    yield path
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _paths(item, (*path, index))
    elif isinstance(node, MappingNode):
        for key_node, value_node in node.value:
            if isinstance(key_node, ScalarNode):
                yield from _paths(value_node, (*path, key_node.value))


def value_node(root: Node, path: FieldPath) -> Node | None:
    """Return the node of the value at ``path``; None where there is none or it stands behind a merge key."""
    node: Node | None = root
    for part in path:
        if isinstance(node, MappingNode):
            found = [value for key, value in node.value if isinstance(key, ScalarNode) and key.value == part]
            node = found[0] if found else None
        elif isinstance(node, CollectionNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            return None
    return node


def dump(value: Any) -> str:
    """Return ``value`` as canonical YAML in block style, keys in the order that they have.

    It reads back as the same value under YAML 1.1 and 1.2.  Raises ValueError for what JSON does not have.
    """
    if isinstance(value, dict) and value:
        return "".join(_mapping_lines(value, ""))
    if isinstance(value, list | tuple) and value:
        return "".join(_sequence_lines(value, ""))
    return _inline(value, "")


def _mapping_lines(value: Mapping[Any, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        name = scalar_text(str(key))
        # A reader looks for the colon of a simple key on the same line and within 1024 characters.
        head = f"{indent}{name}:" if len(name) < 1000 else f"{indent}? {name}\n{indent}:"
        if isinstance(item, Mapping) and item:
            yield f"{head}\n"
            yield from _mapping_lines(item, indent + "  ")
        elif isinstance(item, list | tuple) and item:
            yield f"{head}\n"
            yield from _sequence_lines(item, indent)
        else:
            yield f"{head} {_inline(item, indent + '  ')}"


def _sequence_lines(value: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            lines = "".join(_mapping_lines(item, indent + "  "))
            yield f"{indent}- {lines[len(indent) + 2 :]}"
        elif isinstance(item, list | tuple) and item:
            lines = "".join(_sequence_lines(item, indent + "  "))
            yield f"{indent}- {lines[len(indent) + 2 :]}"
        else:
            yield f"{indent}- {_inline(item, indent + '  ')}"


def _inline(value: Any, indent: str) -> str:
    """Return a value that is not a filled mapping or sequence, with the line end; a literal block spans lines."""
    if isinstance(value, str) and is_literal(value):
        body = value.rstrip("\n")
        end = len(value) - len(body)
        style = {0: "|-", 1: "|"}.get(end, "|+")
        lines = (f"{indent or '  '}{line}\n" if line else "\n" for line in body.split("\n"))
        return f"{style}\n{''.join(lines)}" + "\n" * (end - 1)
    if isinstance(value, Mapping):
        return "{}\n"
    if isinstance(value, list | tuple):
        return "[]\n"
    return scalar_text(value) + "\n"


def flow_scalar(value: Any) -> str:
    """Return a scalar that may stand anywhere, also within ``[]`` and ``{}``; raise ValueError for a collection."""
    if isinstance(value, Mapping | list | tuple):
        raise ValueError("is not a scalar")
    text = scalar_text(value)
    return double_quoted(value) if isinstance(value, str) and any(c in text for c in ",[]{}") else text
