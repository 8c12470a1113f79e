"""The layout of a user's YAML file, and new text in the same layout."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node

from renderer.kubernetes.yaml.node_tree import nodes
from renderer.kubernetes.yaml.writer import double_quoted, dump, flow_scalar, is_printable_line, scalar_text

_FIRST_OF_JSON = re.compile(r"\s*[{\[][ \t]*\r?\n([ \t]+)")


class Layout(Struct, frozen=True):
    """A file's layout: columns from a key to the keys below it (``step``) and to the ``-`` of its list (``offset``)."""

    step: int = 2
    offset: int = 0
    newline: str = "\n"
    is_json: bool = False

    def block(self, value: Any) -> list[str]:
        """Return the lines of a value in block style, without line ends."""
        lines: list[str] = []
        if isinstance(value, Mapping):
            for key, item in value.items():
                if not _is_filled(item):
                    lines += _lines(dump({key: item}))
                    continue
                # A key that is too long for one line has several lines of its own in a dump.
                lines += _lines(dump({key: [0]}))[:-1]
                indent = " " * (self.step if isinstance(item, Mapping) else self.offset)
                lines += [indent + line if line else line for line in self.block(item)]
            return lines
        for item in value:
            first, *rest = self.block(item) if _is_filled(item) else _lines(dump([item]).removeprefix("- "))
            lines += [f"- {first}", *(f"  {line}" if line and _is_filled(item) else line for line in rest)]
        return lines

    def flow(self, value: Any) -> str:
        """Return a value on one line, valid within ``[]`` and ``{}``."""
        if self.is_json:
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{flow_scalar(str(key))}: {self.flow(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return flow_scalar(value)

    def json_lines(self, value: Any, indent: str) -> str:
        """Return ``value`` as JSON with one field a line; each line but the first begins with ``indent``."""
        return json.dumps(value, ensure_ascii=False, indent=self.step).replace("\n", self.newline + indent)


def requoted(value: Any, node: Node) -> str:
    """Return a scalar in the place of ``node``, in block style, with the quotes of ``node``."""
    if isinstance(value, str) and isinstance(node, ScalarNode):
        if node.style == '"':
            return double_quoted(value)
        if node.style == "'" and is_printable_line(value):
            return "'" + value.replace("'", "''") + "'"
    return scalar_text(value)


def json_layout(text: str) -> Layout:
    """Return the layout of a JSON file: that of its first field."""
    first = _FIRST_OF_JSON.match(text)
    return Layout(step=len(first.group(1)) if first else 2, newline=newline_of(text), is_json=True)


def layout_of(root: Node, text: str) -> Layout:
    """Return the layout of a YAML file: that of most of its fields."""
    steps, offsets = Counter[int](), Counter[int]()
    for node in nodes(root):
        for key, value in node.value if isinstance(node, MappingNode) and not node.flow_style else ():
            distance = value.start_mark.column - key.start_mark.column
            if value.start_mark.line > key.start_mark.line and distance >= 0:
                if isinstance(value, MappingNode):
                    steps[distance] += 1
                elif isinstance(value, SequenceNode):
                    offsets[distance] += 1
    return Layout(_most(steps, 2), _most(offsets, 0), newline_of(text))


def newline_of(text: str) -> str:
    """Return the line end of ``text``."""
    return "\r\n" if "\r\n" in text else "\n"


def _most(counted: Counter[int], default: int) -> int:
    """Return the number with the highest count, the least of several such."""
    return min(counted, key=lambda number: (-counted[number], number), default=default)


def _is_filled(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and len(value) > 0


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")
