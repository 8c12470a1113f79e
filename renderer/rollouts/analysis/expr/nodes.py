"""The nodes of an expression (``ast/node.go``); the checker sets ``nature``, the type of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from renderer.rollouts.analysis.expr.natures import UNKNOWN, Nature


class Node(Struct, eq=False, kw_only=True):
    """A node of an expression."""

    nature: Nature = field(default=UNKNOWN)
    height: int = 1
    """The number of nodes from here down to the deepest one."""


class Nil(Node):
    """``nil``."""


class Identifier(Node):
    """A name."""

    name: str


class Literal(Node):
    """A number, text or boolean; ``value`` is of the Python type that stands for its Go type."""

    value: int | float | bool | str


class Constant(Node):
    """A list, or the set of a list to look up in, that the optimizer made of literals."""

    value: Any


class Unary(Node):
    """``!x``, ``not x``, ``-x``, ``+x``."""

    operator: str
    operand: Node


class Binary(Node):
    """``left operator right``."""

    operator: str
    left: Node
    right: Node


class Chain(Node):
    """A chain of members with ``?.`` among them, which is nil where one of them is."""

    node: Node


class Member(Node):
    """``node.name``, ``node?.name``, ``node[property]``."""

    node: Node
    property: Node
    optional: bool = False
    method: bool = False


class Slice(Node):
    """``node[start:stop]``."""

    node: Node
    start: Node | None
    stop: Node | None


class Call(Node):
    """A call of a function of the environment, or of a value."""

    callee: Node
    arguments: list[Node]


class Builtin(Node):
    """A call of a function of the language; ``mapped`` and ``throws`` are of the optimizer."""

    name: str
    arguments: list[Node]
    mapped: Node | None = None
    throws: bool = False


class Predicate(Node):
    """The closure of a builtin."""

    node: Node


class Pointer(Node):
    """``#``, ``#index``, ``#acc``, or the base of ``.name``, in a closure."""

    name: str = ""


class Conditional(Node):
    """``condition ? then : otherwise``, ``if condition {then} else {otherwise}``."""

    condition: Node
    then: Node
    otherwise: Node


class Declaration(Node):
    """``let name = value; body``."""

    name: str
    value: Node
    body: Node


class Sequence(Node):
    """``first; second``: the value is that of the last."""

    nodes: list[Node]


class Array(Node):
    """``[first, second]``."""

    nodes: list[Node]


class Map(Node):
    """``{key: value}``."""

    pairs: list[tuple[Node, Node]]


def children(node: Node) -> Iterator[Node]:
    """Yield the direct children of a node, in their order."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for item in value if isinstance(value, list) else (value,):
            for child in item if isinstance(item, tuple) else (item,):
                if isinstance(child, Node):
                    yield child


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def same(left: Node, right: Node) -> bool:
    """Return whether two nodes are the same expression."""
    if type(left) is not type(right):
        return False
    for name in left.__struct_fields__:
        if name not in ("nature", "height") and not _same_value(getattr(left, name), getattr(right, name)):
            return False
    return True


def _same_value(left: Any, right: Any) -> bool:
    if isinstance(left, Node) and isinstance(right, Node):
        return same(left, right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_same_value, left, right))
    return type(left) is type(right) and bool(left == right)
