"""JSONPath as Kubernetes has it (``k8s.io/client-go/util/jsonpath``), on decoded JSON.

Left out: ``{range}`` and ``{end}``.  The members of a map come in the order of their names; Go's order is random.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from renderer.rollouts.analysis.expr.errors import UnsupportedError
from renderer.rollouts.analysis.expr.lexer import is_alphanumeric, unescape
from renderer.rollouts.analysis.expr.values import Uint8, encode, go_text, type_name
from renderer.rollouts.analysis.go_parse import parse_float, parse_int

_DICT_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
MAX_DEPTH = 50
"""The deepest nesting of unions and filters, and the deepest value that ``..`` enters is ten times that."""


class JSONPathError(Exception):
    """A path that is invalid or that the value does not have, with the library's message."""


class Node(Struct, frozen=True):
    """A part of a path: ``kind`` and what it looks up; ``parts`` are inner paths."""

    kind: str
    value: Any = None
    parts: tuple[tuple[Node, ...], ...] = ()


def find(path: str, value: Any) -> list[list[Any]]:
    """Return what a template such as ``{$.data[0].v}`` finds, a list for each ``{…}`` and each text between them.

    Raises ``JSONPathError``, and ``UnsupportedError`` for what is left out.
    """
    return [_walk([value], nodes) for nodes in parse(path)]


def parse(path: str, depth: int = 0) -> list[tuple[Node, ...]]:
    """Return the parts of a template; raise ``JSONPathError`` for an invalid one."""
    if depth > MAX_DEPTH:
        raise UnsupportedError("a JSONPath nested as deeply as this one")
    found: list[tuple[Node, ...]] = []
    rest = path
    while rest:
        before, brace, rest = rest.partition("{")
        if before:
            found.append((Node("text", before),))
        if brace:
            parser = _Parser(rest, depth)
            found.append(parser.action())
            rest = rest[parser.position :]
    return found


def _action(text: str, depth: int) -> tuple[Node, ...]:
    return parse(f"{{{text}}}", depth + 1)[0]


def _is_terminator(char: str) -> bool:
    return char in ("", " ", "\t", "\r", "\n", ".", ",", "[", "]", "$", "@", "{", "}")


class _Parser:
    """The parser of one ``{…}``."""

    def __init__(self, text: str, depth: int) -> None:
        self.text, self.position, self.depth = text, 0, depth
        self.nodes: list[Node] = []

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self, prefix: str) -> bool:
        if self.text.startswith(prefix, self.position):
            self.position += len(prefix)
            return True
        return False

    def action(self) -> tuple[Node, ...]:
        while not self.take("}"):
            if self.take("[?("):
                self.filter()
            elif self.take(".."):
                self.recursive()
            else:
                self.step()
        return tuple(self.nodes)

    def step(self) -> None:
        char = self.peek()
        if char in ("", "\r", "\n"):
            raise JSONPathError("unclosed action")
        if char in "+-" or char.isdecimal():
            self.number()
        elif is_alphanumeric(char) and char != "$":
            self.identifier()
        else:
            self.position += 1
            if char == "[":
                self.array()
            elif char in "\"'":
                self.quote(char)
            elif char == ".":
                self.field()
            elif char not in " @$":
                shown = f" '{char}'" if char.isprintable() else ""
                raise JSONPathError(f"unrecognized character in action: U+{ord(char):04X}{shown}")

    def recursive(self) -> None:
        if self.nodes and self.nodes[-1].kind == "recursive":
            raise JSONPathError("invalid multiple recursive descent")
        self.nodes.append(Node("recursive"))
        if is_alphanumeric(self.peek()) and self.peek() != "$":
            self.field()

    def field(self) -> None:
        start = self.position
        while not _is_terminator(self.peek()):
            self.position += 2 if self.peek() == "\\" else 1
        name = self.text[start : self.position]
        self.nodes.append(Node("wildcard") if name == "*" else Node("field", name.replace("\\", "")))

    def identifier(self) -> None:
        start = self.position
        while not _is_terminator(self.peek()):
            self.position += 1
        name = self.text[start : self.position]
        if name in ("range", "end"):
            raise UnsupportedError(f"{name} in a JSONPath")
        self.nodes.append(Node("literal", name == "true") if name in ("true", "false") else Node("name", name))

    def number(self) -> None:
        start = self.position
        self.position += 1
        while self.peek() and (self.peek() == "." or self.peek().isdecimal()):
            self.position += 1
        text = self.text[start : self.position]
        for read in (parse_int, parse_float):
            try:
                self.nodes.append(Node("literal", read(text)))
                return
            except ValueError:
                continue
        raise JSONPathError(f"cannot parse number {text}")

    def quote(self, mark: str) -> None:
        start = self.position - 1
        while True:
            char = self.peek()
            if char in ("", "\n"):
                raise JSONPathError("unterminated quoted string")
            self.position += 1
            if char == mark and self.text[self.position - 2] != "\\":
                break
        self.nodes.append(Node("text", unescape(self.text[start : self.position])))

    def array(self) -> None:
        start = self.position
        while self.peek() != "]":
            if self.peek() in ("", "\n"):
                raise JSONPathError("unterminated array")
            self.position += 1
        text = self.text[start : self.position]
        self.position += 1
        if text == "*":
            text = ":"
        if "," in text:
            parts = tuple(_action(f"[{part.strip(' ')}]", self.depth) for part in text.split(","))
            self.nodes.append(Node("union", parts=parts))
        elif key := _DICT_KEY.fullmatch(text):
            self.nodes += _action(f".{key[1]}", self.depth)
        elif bounds := _SLICE.fullmatch(text):
            self.nodes.append(Node("array", _bounds(bounds[1], bounds[2], bounds[3])))
        else:
            raise JSONPathError(f"invalid array index {text}")

    def filter(self) -> None:
        start = self.position
        mark, closed = "", False
        while True:
            char = self.peek()
            if char in ("", "\n"):
                raise JSONPathError("unterminated filter")
            self.position += 1
            if char in "\"'":
                if not mark:
                    mark = char
                elif char == mark and self.text[self.position - 2] != "\\":
                    closed = True
            elif char == ")" and bool(mark) == closed:
                break
        text = self.text[start : self.position - 1]
        if not self.take("]"):
            raise JSONPathError("unclosed array expect ]")
        comparison = _COMPARISON.fullmatch(text)
        if comparison is None:
            self.nodes.append(Node("filter", "exists", (_action(text, self.depth),)))
        else:
            sides = _action(comparison[1], self.depth), _action(comparison[3], self.depth)
            self.nodes.append(Node("filter", comparison[2], sides))


Bounds = tuple[int | None, int | None, int | None, bool]
"""Start, stop and step of a slice, and whether the stop is that of a single element."""


def _bounds(start: str, stop: str | None, step: str | None) -> Bounds:
    numbers = [_index(start), _index(stop[1:]) if stop else None, _index(step[1:]) if step else None]
    if stop is None:
        return numbers[0], (numbers[0] or 0) + 1, numbers[2], True
    return numbers[0], numbers[1], numbers[2], False


def _index(text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_int(text)
    except ValueError:
        raise JSONPathError(f"array index {text} is not a number") from None


def _walk(values: list[Any], nodes: tuple[Node, ...]) -> list[Any]:
    for node in nodes:
        values = _STEPS[node.kind](values, node)
    return values


def _field(values: list[Any], node: Node) -> list[Any]:
    found = [value[node.value] for value in values if isinstance(value, dict) and node.value in value]
    if values and not found:
        raise JSONPathError(f"{node.value} is not found")
    return found


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return [Uint8(byte) for byte in encode(value)] if isinstance(value, str) else list(value)


def _wildcard(values: list[Any], _: Node) -> list[Any]:
    return [member for value in values if isinstance(value, (dict, list, str)) for member in _members(value)]


def _recursive(values: list[Any], _: Node) -> list[Any]:
    return [found for value in values for found in _descend(value, 0)]


def _descend(value: Any, depth: int) -> Iterator[Any]:
    """Yield a value that has members, and all such below it."""
    if depth > 10 * MAX_DEPTH:
        raise UnsupportedError("a recursive JSONPath on a value nested as deeply as this one")
    if isinstance(value, (dict, list, str)) and value:
        yield value
        if not isinstance(value, str):
            for member in _members(value):
                yield from _descend(member, depth + 1)


def _array(values: list[Any], node: Node) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value is None:
            continue
        if not isinstance(value, list):
            raise JSONPathError(f"{type_name(value)} is not array or slice")
        selected = _selected(value, node.value)
        if selected is None:
            return found
        found += selected
    return found


def _selected(value: list[Any], bounds: Bounds) -> list[Any] | None:
    """Return a part of a list; None for an empty one, after which no more is looked at."""
    start, stop, step, is_single = bounds
    size = len(value)
    start = start or 0
    start = start + size if start < 0 else start
    stop = size if stop is None else stop
    if stop < 0 or (stop == 0 and is_single):
        stop += size
    if start == stop:
        return None
    if not 0 <= start < size:
        raise JSONPathError(f"array index out of bounds: index {start}, length {size}")
    if not 0 <= stop <= size:
        raise JSONPathError(f"array index out of bounds: index {stop - 1}, length {size}")
    if start > stop:
        raise JSONPathError(f"starting index {start} is greater than ending index {stop}")
    if step is not None and step <= 0:
        raise JSONPathError("step must be > 0")
    return value[start : stop : step or 1]


def _union(values: list[Any], node: Node) -> list[Any]:
    return [found for part in node.parts for found in _walk(values, part)]


def _filter(values: list[Any], node: Node) -> list[Any]:
    found = []
    for value in values:
        if not isinstance(value, list):
            raise JSONPathError(f"{go_text(value)} is not array or slice and cannot be filtered")
        found += [item for item in value if _passes(item, node)]
    return found


def _passes(item: Any, node: Node) -> bool:
    if node.value == "exists":
        try:
            return bool(_walk([item], node.parts[0]))
        except JSONPathError:
            return False
    sides = []
    for part in node.parts:
        found = _walk([item], part)
        if not found:
            return False
        if len(found) > 1:
            raise JSONPathError("can only compare one element at a time")
        sides.append(found[0])
    if node.value not in _COMPARISONS:
        raise JSONPathError(f"unrecognized filter operator {node.value}")
    return _COMPARISONS[node.value](*sides)


def _comparable(left: Any, right: Any) -> None:
    for side in (left, right):
        if not isinstance(side, (bool, int, float, str)):
            raise JSONPathError("invalid type for comparison")
    # An integer of the path and a number of JSON, which is a float, are not compared.
    if type(left) is not type(right) and {type(left), type(right)} != {int, Uint8}:
        raise JSONPathError("incompatible types for comparison")


def _equal(left: Any, right: Any) -> bool:
    _comparable(left, right)
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    _comparable(left, right)
    if isinstance(left, bool):
        raise JSONPathError("invalid type for comparison")
    return bool(left < right)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    ">=": lambda left, right: not _less(left, right),
    "<=": lambda left, right: _less(left, right) or _equal(left, right),
    ">": lambda left, right: not (_less(left, right) or _equal(left, right)),
}


def _name(_: list[Any], node: Node) -> list[Any]:
    raise JSONPathError(f"unrecognized identifier {node.value}")


_STEPS: dict[str, Callable[[list[Any], Node], list[Any]]] = {
    "text": lambda _, node: [node.value],
    "literal": lambda values, node: [node.value] * len(values),
    "name": _name,
    "field": _field,
    "wildcard": _wildcard,
    "recursive": _recursive,
    "array": _array,
    "union": _union,
    "filter": _filter,
}
