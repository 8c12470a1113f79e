"""YAML as a tree of nodes that know where they stand: what values, positions and edits are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from yaml import MappingNode, ScalarNode, SequenceNode, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs leave the C parser out
from yaml.nodes import CollectionNode, Node

from renderer.errors import Finding, RollstepError

FieldPath: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 200
"""Levels of nesting; the deepest fields of Kubernetes' own types lie some 30 levels deep."""

PLAIN, QUOTED = "plain", "quoted"
MERGE = "<<"
_BARE_TAG = re.compile(r"!\s")
_BARE_TAG_OF_NODE = re.compile(r"(?:&\S+\s+)?!\s")


class _Composer(CParser):
    """libyaml's parser, with the resolution of plain scalars left to :func:`plain_scalar`.

    The parser calls itself for each level and would overflow the stack: so levels are counted where it asks for a tag.
    """

    depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise YAMLError(f"it is more than {MAX_DEPTH} levels deep")

    def ascend_resolver(self) -> None:
        self.depth -= 1


class Positions(Mapping[FieldPath, tuple[int, int]]):
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


def compose(text: str, file: str) -> Iterator[Node]:
    """Yield the node tree of each document; raise RollstepError for what is not YAML."""
    try:
        composer = _Composer(text)
        bare_tags = _BARE_TAG.search(text)
        while composer.check_node():
            node = composer.get_node()
            assert node is not None  # check_node has seen one
            if bare_tags:
                _quote_tagged(node, text)
            yield node
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise RollstepError([Finding(file, line, column, "", f"is not YAML: {problem}")]) from error
    except (RecursionError, ValueError, UnicodeEncodeError) as error:
        raise RollstepError([Finding(file, 0, 0, "", f"is not YAML: {error}")]) from error


def _quote_tagged(root: Node, text: str) -> None:
    """Give the scalars that have the bare tag ``!`` the tag of quoted ones: libyaml hides that they have it."""
    for node in _nodes(root, set()):
        if isinstance(node, ScalarNode) and node.tag == PLAIN and _BARE_TAG_OF_NODE.match(text, node.start_mark.index):
            node.tag = QUOTED


def _nodes(node: Node, seen: set[int]) -> Iterator[Node]:
    """Yield every node below and with ``node`` once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    if isinstance(node, CollectionNode):
        for entry in node.value:
            for child in entry if isinstance(entry, tuple) else (entry,):
                yield from _nodes(child, seen)


def _entry(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """Return the node to point at and the value node of one field or item; None where there is none."""
    if isinstance(node, SequenceNode) and isinstance(part, int):
        return (node.value[part], node.value[part]) if 0 <= part < len(node.value) else None
    if not isinstance(node, MappingNode):
        return None
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and key_node.value == part and key_node.value != MERGE:
            return key_node, value_node
    for key_node, value_node in node.value:
        if isinstance(key_node, ScalarNode) and key_node.value == MERGE and key_node.tag == PLAIN:
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
