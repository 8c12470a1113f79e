"""Pieces of a YAML text that a change of one field replaces, so that all else keeps its bytes.

The module is long because block style, flow style, JSON and comments each need a rule for every kind of change.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import CollectionNode, Node

from renderer.kubernetes.manifest import FieldPath
from renderer.kubernetes.yaml.layout import Layout, requoted
from renderer.kubernetes.yaml.node_tree import children, entry_index, entry_value, is_merge, is_null, shared_nodes

Piece: TypeAlias = tuple[int, int, str]
"""Start and end of a piece of the text, and its replacement."""

_COLON = re.compile(r"[ \t]*:")
_ALIAS = re.compile(r"[ \t]*:[ \t\r\n]*(\*[^\s,\[\]{}]+)")
_BLANKS = re.compile(r"[ \t]+(?=\r?\n|\Z)")
_LONGEST_FLOW = 100


class NotInPlaceError(Exception):
    """The change needs more than replaced pieces of the text."""


class DocumentText:
    """One document of a text; ``layout`` and ``block`` (always block style) apply to new values."""

    def __init__(self, text: str, root: Node, layout: Layout, *, block: bool = False) -> None:
        self.text = text
        self.block = block
        self.root = root
        self.layout = layout
        self.shared = shared_nodes(root)

    def replaced(self, path: FieldPath, value: Any, after: str | None) -> list[Piece]:
        """Return the pieces that set the field at ``path`` to ``value``, with its missing parents.

        A new field comes first in its mapping, or after the field ``after``.  Raises NotInPlaceError.
        """
        node = self.root
        for depth, part in enumerate(path[:-1]):
            index = self._own(node, part)
            if index is None or is_null(entry_value(node, index)):
                for name in reversed(path[depth + 1 :]):
                    value = {name: value}
                path = path[: depth + 1]
                break
            node = entry_value(node, index)
        if not path:
            return [(self.root.start_mark.index, self._end(self.root, -1), self._inline(value, self.root))]
        index = self._own(node, path[-1])
        if index is not None:
            return self._set(node, index, value)
        if not isinstance(node, MappingNode):
            raise NotInPlaceError
        return self._add(node, {path[-1]: value}, after)

    def removed(self, path: FieldPath) -> list[Piece]:
        """Return the pieces that remove a field; an empty mapping stays as ``{}``.  Raises NotInPlaceError."""
        parent = self.root
        for part in path[:-1]:
            index = self._own(parent, part)
            if index is None:
                raise NotInPlaceError
            parent = entry_value(parent, index)
        index = self._own(parent, path[-1])
        if index is None or not isinstance(parent, MappingNode):
            raise NotInPlaceError
        if len(parent.value) == 1:
            return self.replaced(path[:-1], {}, None)
        return self._cut_flow(parent, index) if parent.flow_style else self._cut_lines(parent, index)

    def _own(self, node: Node, part: str | int) -> int | None:
        if id(node) in self.shared:
            raise NotInPlaceError
        return entry_index(node, part)

    def _column(self, index: int) -> int:
        return index - self._line_start(index)

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        end = len(self.text) if end < 0 else end
        return end - 1 if end > index and self.text[end - 1] == "\r" else end

    def _next_line(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end + 1

    def _after_colon(self, key: Node) -> int:
        match = _COLON.match(self.text, key.end_mark.index)
        if match is None:
            raise NotInPlaceError
        return match.end()

    def _extent(self, parent: Node, index: int) -> tuple[int, int]:
        value = entry_value(parent, index)
        if not isinstance(parent, MappingNode):
            if id(value) in self.shared:
                raise NotInPlaceError
            start = value.start_mark.index
            return start, self._after_blanks(self._end(value, self._column(start) - 1))
        key = parent.value[index][0]
        if id(value) in self.shared and value.start_mark.index < key.end_mark.index:
            alias = _ALIAS.match(self.text, key.end_mark.index)
            if alias is None:
                raise NotInPlaceError
            return alias.span(1)
        if value.start_mark.index == value.end_mark.index:
            return self._after_colon(key), self._after_colon(key)
        return value.start_mark.index, self._end(value, self._column(key.start_mark.index))

    def _end(self, node: Node, column: int) -> int:
        # The end mark of a block lies beyond the comments that follow it; those right of ``column`` are the value's.
        end: int = node.end_mark.index
        if not _ends_with_lines(node):
            return end
        first = self._last_text(node)
        while True:
            end = max(first, len(self.text[:end].rstrip()))
            start = self._line_start(end)
            line = self.text[start:end].lstrip(" ")
            if start < first or not line.startswith("#") or end - start - len(line) > column:
                return self._after_blanks(end)
            end = start

    def _after_blanks(self, index: int) -> int:
        blanks = _BLANKS.match(self.text, index)
        return blanks.end() if blanks else index

    def _last_text(self, node: Node) -> int:
        """Return an index before every comment below a value: the end of its last scalar, unless that is an alias."""
        leaf = node
        while isinstance(leaf, CollectionNode) and not leaf.flow_style and leaf.value:
            *_, leaf = children(leaf)
        end: int = leaf.end_mark.index
        if id(leaf) in self.shared:
            return int(node.start_mark.index) + 1
        return len(self.text[:end].rstrip()) if _ends_with_lines(leaf) else end

    def _set(self, parent: Node, index: int, value: Any) -> list[Piece]:
        old = entry_value(parent, index)
        start, end = self._extent(parent, index)
        is_alias = self.text.startswith("*", start)
        if id(old) in self.shared and not is_alias:
            raise NotInPlaceError
        # A value that was left out has the place right after its colon or dash.
        space = " " if old.start_mark.index == old.end_mark.index and not is_alias else ""
        in_flow = isinstance(parent, CollectionNode) and bool(parent.flow_style)
        if in_flow or not self._is_block(value, old, is_alias):
            if _is_block_collection(old) and not is_alias:
                return self._instead_of_block(parent, index, start, end, self._inline(value, old))
            new = self._flow(value, start, end) if in_flow else self._inline(value, old)
            return [(start, end, space + new)]
        if isinstance(parent, MappingNode):
            return self._block_below(parent.value[index][0], old, start, end, value, is_alias)
        column = self._column(start) + len(space)
        return [(start, end, space + self._joined(self.layout.block(value), column))]

    def _is_block(self, value: Any, old: Node, is_alias: bool) -> bool:
        """Return whether a new value gets block style: all filled collections but a short one instead of flow style."""
        if not isinstance(value, dict | list) or not value:
            return False
        was_flow = isinstance(old, CollectionNode) and old.flow_style and old.value and not is_alias
        return self.block or not was_flow or len(self.layout.flow(value)) > _LONGEST_FLOW

    def _inline(self, value: Any, old: Node) -> str:
        return self.layout.flow(value) if isinstance(value, dict | list) else requoted(value, old)

    def _flow(self, value: Any, start: int, end: int) -> str:
        """Return a value for flow style; JSON with one line a field stays so."""
        if self.layout.is_json and isinstance(value, dict | list) and "\n" in self.text[start:end]:
            line = self.text[self._line_start(start) : start]
            return self.layout.json_lines(value, line[: len(line) - len(line.lstrip())])
        return self.layout.flow(value)

    def _joined(self, lines: list[str], column: int) -> str:
        indent = " " * column
        return self.layout.newline.join([lines[0], *(indent + line if line else line for line in lines[1:])])

    def _instead_of_block(self, parent: Node, index: int, start: int, end: int, new: str) -> list[Piece]:
        if not isinstance(parent, MappingNode):
            return [(start, end, new)]
        after = self._after_colon(parent.value[index][0])
        if self._line_start(after) == self._line_start(start):
            raise NotInPlaceError  # An anchor or a tag stands before the block.
        return [(after, after, f" {new}"), (self._line_start(start), self._next_line(end), "")]

    def _block_below(self, key: Node, old: Node, start: int, end: int, value: Any, is_alias: bool) -> list[Piece]:
        after = self._after_colon(key)
        column = self._column(key.start_mark.index)
        below = column + (self.layout.step if isinstance(value, dict) else self.layout.offset)
        if _is_block_collection(old) and not is_alias:
            if self._line_start(after) == self._line_start(start):
                raise NotInPlaceError  # An anchor or a tag stands before the block.
            if isinstance(old, MappingNode) == isinstance(value, dict):
                below = self._column(start)
            return [(self._line_start(start), end, " " * below + self._joined(self.layout.block(value), below))]
        line_end = self._line_end(end)
        new = self.layout.newline + " " * below + self._joined(self.layout.block(value), below)
        return [(after, end, ""), (line_end, line_end, new)]

    def _add(self, parent: MappingNode, field: dict[str | int, Any], after: str | None) -> list[Piece]:
        entries = parent.value
        if parent.flow_style:
            return self._add_flow(parent, field, after)
        index = self._place(parent, after)
        first = entries[0][0].start_mark.index
        column = self._column(first)
        new = self._joined(self.layout.block(field), column)
        if index == len(entries):
            _, end = self._extent(parent, index - 1)
            end = self._line_end(end)
            return [(end, end, self.layout.newline + " " * column + new)]
        start = entries[index][0].start_mark.index
        before = self.text[self._line_start(start) : start]
        if before.strip(" "):
            if before.strip(" -"):
                raise NotInPlaceError
            return [(start, start, new + self.layout.newline + " " * column)]
        place = self._line_start(start)
        # A comment above the first field of a document is about the document.
        if index or parent is not self.root:
            place = self._above_comments(place)
        return [(place, place, " " * column + new + self.layout.newline)]

    def _place(self, parent: MappingNode, after: str | None) -> int:
        """Return the index of a new field: after each ``<<``, since readers differ in which of the two wins."""
        merges = [index for index, (key, _) in enumerate(parent.value) if is_merge(key)]
        sibling = entry_index(parent, after) if after is not None else None
        return max([*merges, -1 if sibling is None else sibling]) + 1

    def _above_comments(self, place: int) -> int:
        while place:
            start = self._line_start(place - 1)
            if not self.text[start:place].lstrip(" ").startswith("#"):
                break
            place = start
        return place

    def _add_flow(self, parent: MappingNode, field: dict[str | int, Any], after: str | None) -> list[Piece]:
        ((name, value),) = field.items()
        start, end = parent.start_mark.index, parent.end_mark.index
        if not parent.value:
            return [(start, end, self.layout.flow(field))]
        first = parent.value[0][0].start_mark.index
        before = self.text[self._line_start(first) : first]
        own_line = not before.strip()
        in_lines = own_line and self.layout.is_json and isinstance(value, dict | list) and value
        head = self.layout.flow({str(name): 0})[1:-2]
        new = head + (self.layout.json_lines(value, before) if in_lines else self.layout.flow(value))
        between = f",{self.layout.newline}{before}" if own_line else ", "
        index = self._place(parent, after)
        if index == 0:
            return [(first, first, new + between)]
        _, end = self._extent(parent, index - 1)
        return [(end, end, between + new)]

    def _cut_flow(self, parent: MappingNode, index: int) -> list[Piece]:
        if index + 1 < len(parent.value):
            start, end = (parent.value[index + offset][0].start_mark.index for offset in (0, 1))
        else:
            (_, start), (_, end) = self._extent(parent, index - 1), self._extent(parent, index)
        if "#" in self.text[self._extent(parent, max(index, 1) - 1)[1] : end].partition("\n")[0]:
            raise NotInPlaceError  # The cut would remove a comment.
        return [(start, end, "")]

    def _cut_lines(self, parent: MappingNode, index: int) -> list[Piece]:
        start = parent.value[index][0].start_mark.index
        _, end = self._extent(parent, index)
        line_start, next_line = self._line_start(start), self._next_line(end)
        before = self.text[line_start:start]
        if not before.strip(" "):
            return [(line_start, next_line, "")]
        if before.strip(" -") or index:
            raise NotInPlaceError
        following = parent.value[1][0].start_mark.index
        if not self.text[next_line:following].strip():
            return [(start, following, "")]
        return [(len(self.text[:start].rstrip(" ")), self._line_end(end), "")]


def _is_block_collection(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style


def _ends_with_lines(node: Node) -> bool:
    """Return whether a value ends with its last line: its end mark lies after that."""
    return _is_block_collection(node) or (isinstance(node, ScalarNode) and node.style in ("|", ">"))
