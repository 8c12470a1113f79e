"""The shape of a document of our own: which fields it has and of what type, checked field by field (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct, field

from renderer.kubernetes.times import parse_time

Path: TypeAlias = tuple[str | int, ...]
Wrong: TypeAlias = tuple[Path, str]


class Value(Struct, frozen=True):
    """A value that ``accepts`` takes; ``expected`` says in words which ones these are."""

    expected: str
    accepts: Callable[[Any], bool]


class Fields(Struct, frozen=True):
    """A mapping whose keys are known; with ``others`` it may have more."""

    of: Mapping[str, Shape]
    required: frozenset[str] = field(default_factory=frozenset)
    others: bool = False


class Items(Struct, frozen=True):
    """A list whose items have one shape; ``named`` is for a mapping from any name to it instead."""

    of: Shape
    named: bool = False


Shape: TypeAlias = Value | Fields | Items


def mismatches(value: Any, shape: Shape, path: Path = ()) -> Iterator[Wrong]:
    """Yield the path of everything in ``value`` that has not ``shape``, with what was found and expected."""
    if isinstance(shape, Value):
        if not shape.accepts(value):
            yield path, f"expected {shape.expected}, found {described(value)}"
    elif isinstance(shape, Fields):
        yield from _fields(value, shape, path)
    else:
        yield from _items(value, shape, path)


def _fields(value: Any, shape: Fields, path: Path) -> Iterator[Wrong]:
    if not isinstance(value, dict):
        yield path, f"expected a mapping, found {described(value)}"
        return
    for key, item in value.items():
        if key in shape.of:
            yield from mismatches(item, shape.of[key], (*path, key))
        elif not shape.others:
            yield (*path, key), f"unknown key; known are {', '.join(shape.of)}"
    for key in sorted(shape.required - value.keys()):
        yield (*path, key), "missing"


def _items(value: Any, shape: Items, path: Path) -> Iterator[Wrong]:
    if not isinstance(value, dict if shape.named else list):
        yield path, f"expected a {'mapping' if shape.named else 'list'}, found {described(value)}"
        return
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        yield from mismatches(item, shape.of, (*path, key))


def described(value: Any) -> str:
    """Return a value as a message names it: a short one itself, a long one by its type."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else repr(value)[:80]


def is_count(value: Any) -> bool:
    """Tell whether ``value`` is an integer from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_time(value: Any) -> bool:
    """Tell whether ``value`` is the text of a time with a zone."""
    try:
        return isinstance(value, str) and parse_time(value) is not None
    except ValueError:
        return False


def one_of(*values: str) -> Value:
    """Return the shape of a text that is one of ``values``."""
    return Value(f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values)


TEXT = Value("text", lambda value: isinstance(value, str))
BOOLEAN = Value("true or false", lambda value: isinstance(value, bool))
COUNT = Value("a number from 0 on", is_count)
POSITIVE = Value("a number from 1 on", lambda value: is_count(value) and value > 0)
TIME = Value("a time such as 2026-01-31T12:00:00Z", is_time)
