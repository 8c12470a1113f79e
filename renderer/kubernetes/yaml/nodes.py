"""YAML as a tree of nodes that know where they stand: what values, positions and edits are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from yaml import MappingNode, ScalarNode, SequenceNode, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs leave the C parser out
from yaml.error import MarkedYAMLError
from yaml.nodes import CollectionNode, Node

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.yaml.json import LEAST_NODES
from renderer.kubernetes.yaml.json import MAX_DEPTH as MAX_DEPTH
from renderer.kubernetes.yaml.json import FieldPath as FieldPath
from renderer.kubernetes.yaml.json import most_values as most_values
from renderer.kubernetes.yaml.scalars import CORE, is_null_word, plain_key, tagged_key

PLAIN, QUOTED = "plain", "quoted"
"""The tags of nodes that have none in the text; collections have the one of quoted scalars."""
MERGE = "<<"

TEMPLATE_HINT = "a Jinja template is a file named *.yaml.j2; a Helm chart is rendered by a command, see source.exec"

_TEMPLATE = re.compile(r"^[^#\n]*(\{\{|\{%)", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) [^\r\n]{0,80}", re.MULTILINE)
_BARE_TAG = re.compile(r"!\s")
_BARE_TAG_OF_NODE = re.compile(r"(?:&\S+\s+)?!\s")
_FEW = MAX_DEPTH // 5
"""Of so many braces and so many columns in front of a key come fewer levels than are allowed."""
_FAR_IN = re.compile(rf"^[ \t?:-]{{{_FEW}}}", re.MULTILINE)
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What libyaml's reader refuses (``yaml_parser_update_buffer`` of libyaml 0.2.5)."""


class _Composer(CParser):
    """libyaml's parser, with the resolution of plain scalars left to ``scalars``."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


class _CountingComposer(_Composer):
    """The parser for a text that may be too deep or too large.

    The parser calls itself for each level and would overflow the stack: so levels are counted where it asks for a tag.
    """

    depth = 0
    nodes = 0
    most_nodes = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = parent.start_mark if parent else None
            raise MarkedYAMLError(problem=f"it is more than {MAX_DEPTH} levels deep", problem_mark=mark)
        self.nodes += 1
        if self.nodes > self.most_nodes:
            mark = parent.start_mark if parent else None
            raise MarkedYAMLError(problem=f"it has more than {self.most_nodes} keys and values", problem_mark=mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class Positions(Mapping[FieldPath, tuple[int, int]]):
    """Line and column of each field, found in the node tree when somebody asks."""

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
        """Return what ``_fields`` yields, by name: thousands of findings may be in one list."""
        named = self._named.get(id(node))
        if named is None:
            named = self._named[id(node)] = {}
            for name, key, value in self._fields(node):
                named.setdefault(name, (key, value))
        return named

    def _fields(self, node: Node) -> Iterator[tuple[str | int, Node, Node]]:
        """Yield name, node to point at and node of the value for every field or item; merged ones come last."""
        if isinstance(node, SequenceNode):
            yield from ((index, item, item) for index, item in enumerate(node.value))
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(key, ScalarNode) and not is_merge(key):
                    yield node_key(key), key, value
            for merged in merged_nodes(node):
                yield from self._fields(merged)


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
    """Return the parser of ``text``, one that counts where that could be too deep or too large: it takes longer."""
    if 2 * len(text) < LEAST_NODES and not _may_be_deep(text):
        return _Composer(text)
    composer = _CountingComposer(text)
    composer.most_nodes = most_values(text)
    return composer


def _may_be_deep(text: str) -> bool:
    """Tell whether the levels of ``text`` have to be counted: a brace makes two at most, a column before a key as well.

    A text that has other line breaks than newlines, or may have them, is not looked at so closely.
    """
    if "\r" in text or not text.isascii() or text.count("[") + text.count("{") > _FEW:
        return True
    return _FAR_IN.search(text) is not None


def _refusal(error: Exception, text: str, file: str) -> Finding:
    """Return what is to be told of an error of the parser."""
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        message = f"is not YAML: git left the markers of a conflict here ({conflict.group()})"
        hint = f"keep one side (`git checkout --ours {file}` or --theirs), or edit it; then `git add {file}`"
        return Finding(file, line, 1, "", message, hint)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        # What is wrong may be found on the line after.
        near = "\n".join(text.split("\n")[max(line - 2, 0) : line])
        hint = TEMPLATE_HINT if _TEMPLATE.search(near) else ""
        return Finding(file, line, column, "", f"is not YAML: {error.problem}", hint)
    wrong = _NOT_ALLOWED.search(text)
    if not wrong:
        return Finding(file, 0, 0, "", f"is not YAML: {error}")
    line, column = text.count("\n", 0, wrong.start()) + 1, wrong.start() - text.rfind("\n", 0, wrong.start())
    message = f"is not YAML: the character U+{ord(wrong.group()):04X} is not allowed"
    return Finding(file, line, column, "", message, "remove it, or write it with a backslash in double quotes")


def _quote_tagged(root: Node, text: str) -> None:
    """Give the scalars that have the bare tag ``!`` the tag of quoted ones: libyaml hides that they have it."""
    for node in nodes(root):
        if isinstance(node, ScalarNode) and node.tag == PLAIN and _BARE_TAG_OF_NODE.match(text, node.start_mark.index):
            node.tag = QUOTED


def nodes(root: Node) -> Iterator[Node]:
    """Yield every node below and with ``root`` once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += children(node)


def shared_nodes(root: Node) -> set[int]:
    """Return the ids of the nodes that stand in several places: at an anchor and at its aliases."""
    counted = Counter(id(child) for node in nodes(root) for child in children(node))
    return {name for name, count in counted.items() if count > 1}


def children(node: Node) -> Iterator[Node]:
    """Yield the keys and values, or the items, of a node in the order of the text."""
    if isinstance(node, CollectionNode):
        for entry in node.value:
            yield from entry if isinstance(entry, tuple) else (entry,)


def alias_within_itself(root: Node) -> Node | None:
    """Return the outermost node that an alias somewhere within it stands for; None where there is none."""
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
    """Tell whether a key is the ``<<`` that merges other mappings."""
    return key.value == MERGE and key.tag in (PLAIN, f"{CORE}merge")


def merged_nodes(node: MappingNode) -> Iterator[Node]:
    """Yield the nodes of the mappings that ``<<`` merges into one, those first that win."""
    for key, value in node.value:
        if is_merge(key):
            yield from value.value if isinstance(value, SequenceNode) else (value,)


def node_key(node: ScalarNode) -> str:
    """Return the text that Kubernetes reads as key; raise ValueError where it can be none."""
    tag, text = node.tag, node.value
    return plain_key(text) if tag == PLAIN else str(text) if tag == QUOTED else tagged_key(tag, text)


def is_null(node: Node) -> bool:
    """Tell whether a node is null, written or left out."""
    if not isinstance(node, ScalarNode):
        return False
    return node.tag == "tag:yaml.org,2002:null" or (node.tag == PLAIN and is_null_word(node.value))


def entry_index(node: Node, part: str | int) -> int | None:
    """Return which entry of a mapping or sequence a field or item is; None where it is not there, or merged."""
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


def value_node(root: Node, path: FieldPath) -> Node | None:
    """Return the node of the value at ``path``; None where there is none or it stands behind a merge key."""
    node = root
    for part in path:
        index = entry_index(node, part)
        if index is None:
            return None
        node = entry_value(node, index)
    return node
