"""The tree of nodes that libyaml makes of a YAML document, each with its place in the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import CollectionNode, Node

from renderer.kubernetes.manifest import FieldPath
from renderer.kubernetes.yaml.scalars import CORE, is_null_word, plain_key, tagged_key

PLAIN, QUOTED = "plain", "quoted"
"""The tags of nodes without a tag in the text; collections have that of quoted scalars."""
MERGE = "<<"


class NodePositions(Mapping[FieldPath, tuple[int, int]]):
    """Line and column of each field, found in the node tree on use."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._named: dict[int, dict[str | int, tuple[Node, Node]]] = {}

    def __getitem__(self, path: FieldPath) -> tuple[int, int]:
        node, mark = self._root, self._root.start_mark
        for part in path:
            found = self._fields_by_name(node).get(part)
            if found is None:
                raise KeyError(path)
            mark, node = found[0].start_mark, found[1]
        return mark.line + 1, mark.column + 1

    def __iter__(self) -> Iterator[FieldPath]:
        return self._paths(self._root, ())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _paths(self, node: Node, path: FieldPath) -> Iterator[FieldPath]:
        yield path
        seen = set()
        for name, _, value in self._fields(node):
            if name not in seen:
                seen.add(name)
                yield from self._paths(value, (*path, name))

    def _fields_by_name(self, node: Node) -> dict[str | int, tuple[Node, Node]]:
        """Return the fields of a node by name, cached: one list may have thousands of findings."""
        named = self._named.get(id(node))
        if named is None:
            named = self._named[id(node)] = {}
            for name, key, value in self._fields(node):
                named.setdefault(name, (key, value))
        return named

    def _fields(self, node: Node) -> Iterator[tuple[str | int, Node, Node]]:
        """Yield name, node to point at, and value of every field or item; merged ones come last."""
        if isinstance(node, SequenceNode):
            yield from ((index, item, item) for index, item in enumerate(node.value))
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(key, ScalarNode) and not is_merge(key):
                    yield node_key(key), key, value
            # The mappings that ``<<`` merges, in the order of precedence.
            for value in (value for key, value in node.value if is_merge(key)):
                for merged in value.value if isinstance(value, SequenceNode) else (value,):
                    yield from self._fields(merged)


def nodes(root: Node) -> Iterator[Node]:
    """Yield ``root`` and every node below it once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += children(node)


def shared_nodes(root: Node) -> set[int]:
    """Return the ids of the nodes that stand both at an anchor and at its aliases."""
    counted = Counter(id(child) for node in nodes(root) for child in children(node))
    return {name for name, count in counted.items() if count > 1}


def children(node: Node) -> Iterator[Node]:
    """Yield the keys and values, or the items, of a node in the order of the text."""
    if isinstance(node, CollectionNode):
        for entry in node.value:
            yield from entry if isinstance(entry, tuple) else (entry,)


def alias_within_itself(root: Node) -> Node | None:
    """Return the outermost node that has an alias of itself below it, else None."""
    done: set[int] = set()
    opened: set[int] = set()

    def search(node: Node) -> Node | None:
        if id(node) in opened:
            return node
        if id(node) in done:
            return None
        opened.add(id(node))
        found = next((found for child in children(node) if (found := search(child))), None)
        opened.remove(id(node))
        done.add(id(node))
        return found

    return search(root)


def is_merge(key: Node) -> bool:
    """Return whether a key is the ``<<`` that merges other mappings."""
    return key.value == MERGE and key.tag in (PLAIN, f"{CORE}merge")


def node_key(node: ScalarNode) -> str:
    """Return the key that Kubernetes reads; raise ValueError for a value that cannot be a key."""
    tag, text = node.tag, node.value
    return plain_key(text) if tag == PLAIN else str(text) if tag == QUOTED else tagged_key(tag, text)


def is_null(node: Node) -> bool:
    """Return whether a node is null, written or left out."""
    if not isinstance(node, ScalarNode):
        return False
    return node.tag == "tag:yaml.org,2002:null" or (node.tag == PLAIN and is_null_word(node.value))


def entry_index(node: Node, part: str | int) -> int | None:
    """Return the index of a field's or item's entry in ``node``; None if it is missing or merged."""
    if isinstance(node, SequenceNode):
        return part if isinstance(part, int) and 0 <= part < len(node.value) else None
    for index, (key, _) in enumerate(node.value if isinstance(node, MappingNode) else ()):
        if isinstance(key, ScalarNode) and not is_merge(key) and node_key(key) == part:
            return index
    return None


def entry_value(node: Node, index: int) -> Node:
    """Return the value of an entry of a mapping or sequence."""
    entry: Any = node.value[index]
    value: Node = entry[1] if isinstance(entry, tuple) else entry
    return value


def nodes_to(root: Node, path: FieldPath) -> list[Node]:
    """Return the nodes from ``root`` along ``path``, as far as they exist outside merged mappings."""
    found = [root]
    for part in path:
        index = entry_index(found[-1], part)
        if index is None:
            break
        found.append(entry_value(found[-1], index))
    return found


def value_node(root: Node, path: FieldPath) -> Node | None:
    """Return the node of the value at ``path``; None if it is missing or merged."""
    found = nodes_to(root, path)
    return found[-1] if len(found) > len(path) else None
