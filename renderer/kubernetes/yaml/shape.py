"""The expected fields and types of a document, checked with all mismatches at once.

``msgspec.convert`` stops at the first mismatch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct, field

from renderer.kubernetes.manifest import FieldPath
from renderer.kubernetes.times import parse_time


class Value(Struct, frozen=True):
    """A value that ``accepts`` allows; messages name it as ``expected``."""

    expected: str
    accepts: Callable[[Any], bool]


class Fields(Struct, frozen=True):
    """A mapping with known keys; ``others`` allows unknown ones too."""

    of: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)
    others: bool = False


class Items(Struct, frozen=True):
    """A list of values of one shape; with ``named`` a mapping of any keys to such values."""

    of: Shape
    named: bool = False


Shape: TypeAlias = Value | Fields | Items


def mismatches(value: Any, shape: Shape, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield path and message of every mismatch between ``value`` and ``shape``."""
    if isinstance(shape, Value):
        expected, is_right = shape.expected, shape.accepts(value)
    else:
        is_list = isinstance(shape, Items) and not shape.named
        expected, is_right = ("a list", isinstance(value, list)) if is_list else ("a mapping", isinstance(value, dict))
    if not is_right:
        yield path, f"expected {expected}, found {_described(value)}"
    elif isinstance(shape, Fields):
        for key, item in value.items():
            if key in shape.of:
                yield from mismatches(item, shape.of[key], (*path, key))
            elif not shape.others:
                yield (*path, key), f"unknown key; known are {', '.join(shape.of)}"
        yield from (((*path, key), "missing") for key in sorted(shape.required - value.keys()))
    elif isinstance(shape, Items):
        for key, item in value.items() if shape.named else enumerate(value):
            yield from mismatches(item, shape.of, (*path, key))


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)[:80]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False


def one_of(*values: str) -> Value:
    """Return the shape of a text with one of some ``values``."""
    return Value(f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values)


TEXT = Value("text", lambda value: isinstance(value, str))
BOOLEAN = Value("true or false", lambda value: isinstance(value, bool))
COUNT = Value("a number from 0 on", _is_count)
POSITIVE = Value("a number from 1 on", lambda value: _is_count(value) and value > 0)
TIME = Value("a time such as 2026-01-31T12:00:00Z", _is_time)
