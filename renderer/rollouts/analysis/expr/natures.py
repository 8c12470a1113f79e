"""Natures: what the checker knows of a value's type (``checker/nature`` of expr-lang/expr)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from renderer.rollouts.analysis.expr.values import (
    ANY,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    LIST,
    STRING,
    TIME,
    Function,
    type_name,
)

INTEGERS = (INT, "int64", "uint8")
_ELEMENTS = {LIST: ANY, "[]float64": FLOAT, "[]int": INT, "[]string": STRING, "[][2]interface {}": "[2]interface {}"}
_ELEMENTS |= {"[]map[string]interface {}": "map[string]interface {}", "[2]interface {}": ANY}
_MAPS = {
    "map[string]interface {}": (STRING, ANY),
    "map[interface {}]interface {}": (ANY, ANY),
    "map[interface {}][]interface {}": (ANY, LIST),
}


class Nature(Struct, frozen=True):
    """A Go type, empty if unknown; ``element`` is the nature of a list's elements where it is known better.

    ``nil``: the value is nil.  ``function`` is the function of the environment, if the value is one.  ``result`` is the
    nature of a closure's result.
    """

    type: str = ""
    element: Nature | None = None
    nil: bool = False
    function: Function | None = None
    result: Nature | None = None

    def __str__(self) -> str:
        return self.type or "unknown"

    @property
    def is_unknown(self) -> bool:
        """Return whether any value may be there."""
        return self.type == ANY or (not self.type and not self.nil)

    @property
    def is_integer(self) -> bool:
        """Return whether it is an integer."""
        return self.type in INTEGERS

    @property
    def is_number(self) -> bool:
        """Return whether it is an integer or a float."""
        return self.type == FLOAT or self.type in INTEGERS

    @property
    def is_list(self) -> bool:
        """Return whether it is a list."""
        return self.type in _ELEMENTS

    @property
    def is_map(self) -> bool:
        """Return whether it is a map."""
        return self.type in _MAPS

    @property
    def kind(self) -> str:
        """The kind of the type, as Go's ``reflect`` has it; empty for an unknown or nil value."""
        if self.is_map:
            return "map"
        if self.type.startswith("func("):
            return "func"
        if self.is_list:
            return "array" if self.type.startswith("[2]") else "slice"
        if self.type == DURATION:
            return "int64"
        return "interface" if self.type == ANY else self.type

    @property
    def elements(self) -> Nature:
        """The nature of a list's elements or a map's values."""
        if self.element is not None:
            return self.element
        return Nature(_MAPS[self.type][1] if self.is_map else _ELEMENTS.get(self.type, ""))

    @property
    def key(self) -> Nature:
        """The nature of a map's keys."""
        return Nature(_MAPS[self.type][0])

    def is_any_of(self, *checks: str) -> bool:
        """Return whether the value is one of ``bool``, ``string``, ``integer``, ``number``, ``list``, ``map`` …"""
        return any(CHECKS[check](self) for check in checks)

    def assignable_to(self, other: Nature) -> bool:
        """Return whether Go assigns the value to another type."""
        if self.nil and other.kind in ("interface", "func", "map", "slice"):
            return True
        return bool(self.type and other.type) and (self.type == other.type or other.type == ANY)

    def comparable_to(self, other: Nature) -> bool:
        """Return whether ``==`` takes the two."""
        if self.is_unknown or other.is_unknown or self.nil or other.nil:
            return True
        both = any(self.is_any_of(check) and other.is_any_of(check) for check in ("number", "list"))
        return both or self.assignable_to(other)

    def maybe_compatible(self, other: Nature, *checks: str) -> bool:
        """Return whether an operator may take the two, of which at least one is unknown."""
        if self.is_unknown:
            return other.is_unknown or other.is_any_of(*checks)
        return other.is_unknown and self.is_any_of(*checks)


CHECKS = {
    "bool": lambda nature: nature.type == BOOL,
    "string": lambda nature: nature.type == STRING,
    "integer": lambda nature: nature.is_integer,
    "number": lambda nature: nature.is_number,
    "map": lambda nature: nature.is_map,
    "list": lambda nature: nature.is_list,
    "time": lambda nature: nature.type == TIME,
    "duration": lambda nature: nature.type == DURATION,
}

UNKNOWN = Nature()
NIL = Nature(nil=True)


def nature_of(value: Any) -> Nature:
    """Return the nature of a value of the environment."""
    if value is None:
        return NIL
    return Nature(type_name(value), function=value if isinstance(value, Function) else None)


def list_of(element: Nature) -> Nature:
    """Return the nature of a ``[]interface {}`` whose elements are known."""
    return Nature(LIST, element)
