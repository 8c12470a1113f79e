"""The functions of the language that take no closure (``builtin`` of expr-lang/expr), on values.

A failure raises ``ExpressionError`` with Go's message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import (
    AnyMap,
    Groups,
    NilList,
    Pair,
    Pairs,
    Strings,
    Uint8,
    as_string,
    compare,
    decode,
    encode,
    equal,
    go_text,
    is_integer,
    is_number,
    to_int,
    truncate,
    type_name,
    wrap,
)
from renderer.rollouts.analysis.go_parse import parse_duration, parse_float, parse_int

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
SPACE += "\u205f\u3000"
MAX_LIST_DEPTH = 100
"""The deepest list that the functions enter."""


def kind_of(value: Any) -> str:
    """Return the kind of a value, as ``reflect.Kind`` prints it."""
    if value is None:
        return "invalid"
    if isinstance(value, Pair):
        return "array"
    for kinds, name in ((list, "slice"), (dict, "map")):
        if isinstance(value, kinds):
            return name
    return "func" if type_name(value).startswith("func") else type_name(value)


def fetch(base: Any, key: Any) -> Any:
    """Return an element of a list, text or map; a missing key of a map is nil."""
    if isinstance(base, (list, str)):
        index = to_int(key)
        items: Any = encode(base) if isinstance(base, str) else base
        index = index + len(items) if index < 0 else index
        if not 0 <= index < len(items):
            raise ExpressionError(f"index out of range: {index} (array length is {len(items)})")
        return Uint8(items[index]) if isinstance(base, str) else items[index]
    if isinstance(base, dict):
        return base.get(map_key(base, key), NilList() if isinstance(base, Groups) else None)
    raise ExpressionError(f"cannot fetch {go_text(key)} from {type_name(base)}")


def key_error(key: Any, wanted: str) -> ExpressionError:
    """Return the error of a map that is asked for a key of another type."""
    return ExpressionError(f"reflect.Value.MapIndex: value of type {type_name(key)} is not assignable to type {wanted}")


def map_key(base: Mapping[Any, Any], key: Any) -> Any:
    """Return a key as a map takes it: nil is the empty text among texts, and no other type is taken."""
    if type(base) is dict:
        if key is None:
            return ""
        if not isinstance(key, str):
            raise key_error(key, "string")
    elif isinstance(key, (list, dict)):
        raise ExpressionError(f"runtime error: hash of unhashable type {type_name(key)}")
    return key


def length(value: Any) -> int:
    """Return the number of elements, keys or characters."""
    if isinstance(value, (list, dict, str)):
        return len(value)
    raise ExpressionError(f"invalid argument for len (type {type_name(value)})")


def _type(value: Any) -> str:
    if value is None:
        return "nil"
    names = {"int64": "int", "uint8": "uint", "float64": "float", "slice": "array"}
    name = names.get(kind_of(value), kind_of(value))
    return {"time.Time": "time.Time", "time.Duration": "time.Duration"}.get(type_name(value), name)


def _abs(value: Any) -> Any:
    if not is_number(value):
        raise ExpressionError(f"invalid argument for abs (type {type_name(value)})")
    if isinstance(value, float):
        return -value if value < 0 else value
    return type(value)(wrap(abs(value)))


def _rounding(name: str, rounded: Callable[[float], float]) -> Callable[[Any], float]:
    def function(value: Any) -> float:
        if not is_number(value):
            raise ExpressionError(f"invalid argument for {name} (type {type_name(value)})")
        number = float(value)
        return rounded(number) if isinstance(value, float) and math.isfinite(number) else number

    return function


def _round(value: float) -> float:
    """Round half away from zero."""
    whole = math.trunc(value)
    return math.copysign(float(whole + (abs(value - whole) >= 0.5) * (1 if value > 0 else -1)), value)


def _int(value: Any) -> int:
    if isinstance(value, str):
        try:
            return parse_int(value)
        except ValueError:
            raise ExpressionError(f"invalid operation: int({value})") from None
    if value is None:
        raise ExpressionError("reflect: call of reflect.Value.Type on zero Value")
    if isinstance(value, timedelta):
        return wrap(value // timedelta(microseconds=1) * 1000)
    if not is_number(value):
        raise ExpressionError(f"invalid operation: int({type_name(value)})")
    return truncate(value) if isinstance(value, float) else int(value)


def _float(value: Any) -> float:
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError:
            raise ExpressionError(f"invalid operation: float({value})") from None
    if not is_number(value):
        raise ExpressionError(f"invalid operation: float({type_name(value)})")
    return float(value)


def _trim(text: Any, cutset: Any = None) -> str:
    return as_string(text).strip(SPACE if cutset is None else as_string(cutset)) if cutset != "" else as_string(text)


def _each_char(change: Callable[[str], str]) -> Callable[[Any], str]:
    """Return a function that changes each character that has one other case, as Go does."""

    def function(text: Any) -> str:
        changed = (
            (char, change(char))
            for char in as_string(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        )
        return "".join(new if len(new) == 1 else char for char, new in changed)

    return function


def _split(text: Any, separator: Any, count: Any = -1, *, keep: bool = False) -> Strings:
    text, separator, most = as_string(text), as_string(separator), to_int(count)
    if most == 0:
        return Strings()
    if separator:
        parts = text.split(separator, most - 1 if most > 0 else -1)
        return Strings([*(part + separator for part in parts[:-1]), parts[-1]] if keep else parts)
    if 0 < most < len(text):
        return Strings([*text[: most - 1], text[most - 1 :]])
    return Strings(text)


def _split_after(text: Any, separator: Any, count: Any = -1) -> Strings:
    return _split(text, separator, count, keep=True)


def _replace(text: Any, old: Any, new: Any, count: Any = -1) -> str:
    return as_string(text).replace(as_string(old), as_string(new), max(to_int(count), -1))


def _join(items: Any, glue: Any = "") -> str:
    if type(items) not in (list, Strings):
        raise ExpressionError(f"invalid argument for join (type {type_name(items)})")
    return as_string(glue).join(map(as_string, items))


def _extreme(name: str, operator: str) -> Callable[..., Any]:
    def function(*arguments: Any, depth: int = 0) -> Any:
        if depth > MAX_LIST_DEPTH:
            raise ExpressionError("recursion depth exceeded")
        best: Any = None
        for argument in arguments:
            if isinstance(argument, list):
                found = [function(item, depth=depth + 1) for item in argument]
            elif is_number(argument):
                found = [argument]
            elif len(arguments) == 1:
                return argument
            else:
                found = [None] if argument is None else [argument]
            for value in found:
                if not is_number(value):
                    raise ExpressionError(f"invalid argument for {name} (type {type_name(value)})")
                if best is None or compare(operator, best, value):
                    best = value
        return best

    return function


def _flat_numbers(name: str, argument: Any, depth: int = 0) -> Iterator[float]:
    if depth > MAX_LIST_DEPTH:
        raise ExpressionError("recursion depth exceeded")
    if isinstance(argument, list):
        for item in argument:
            yield from _flat_numbers(name, item, depth + 1)
    elif is_number(argument):
        yield float(argument)
    else:
        raise ExpressionError(f"invalid argument for {name} (type {type_name(argument)})")


def _sum_of(argument: Any) -> tuple[int, float]:
    """Return the count and sum of the numbers in a list; each inner list is summed by itself, as in Go."""
    if not isinstance(argument, list):
        return 1, next(_flat_numbers("mean", argument))
    count, total = 0, 0.0
    for item in argument:
        more, amount = _sum_of(item)
        count, total = count + more, total + amount
    return count, total


def _mean(*arguments: Any) -> float:
    for _ in _flat_numbers("mean", list(arguments)):
        pass
    count, total = _sum_of(list(arguments))
    return total / count if count else 0.0


def _median(*arguments: Any) -> float:
    numbers = list(_flat_numbers("median", list(arguments)))
    # Go sorts NaN first.
    numbers.sort(key=lambda number: (not math.isnan(number), 0.0 if math.isnan(number) else number))
    if not numbers:
        return 0.0
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


def _end(index: int) -> Callable[[Any], Any]:
    def function(value: Any) -> Any:
        try:
            return fetch(value, index)
        except ExpressionError:
            return None

    return function


def _get(base: Any, key: Any) -> Any:
    if isinstance(base, (list, str)):
        index = to_int(key)
        size = len(encode(base)) if isinstance(base, str) else len(base)
        return fetch(base, index) if -size <= index < size else None
    return fetch(base, key) if isinstance(base, dict) else None


def _list(value: Any, verb: str) -> list[Any]:
    if not isinstance(value, list):
        raise ExpressionError(f"{verb} {kind_of(value)}")
    return value


def _take(items: Any, count: Any) -> Any:
    items = _list(items, "cannot take from")
    if not is_integer(count) or isinstance(count, Uint8):
        raise ExpressionError(f"cannot take {kind_of(count)} elements")
    if count < 0:
        raise ExpressionError("reflect.Value.Slice: slice index out of bounds")
    return type(items)(items[:count])


def _map(value: Any, verb: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ExpressionError(verb.format(kind_of(value)))
    # Go's order is random; this one is the same each time.
    return dict(sorted(value.items(), key=lambda item: go_text(item[0])))


def _to_pairs(value: Any) -> Pairs:
    return Pairs(Pair(item) for item in _map(value, "cannot transform {} to pairs").items())


def _from_pairs(value: Any) -> AnyMap:
    if not isinstance(value, list):
        raise ExpressionError(f"cannot transform {go_text(value)} from pairs")
    found = AnyMap()
    for pair in value:
        if not isinstance(pair, list):
            raise ExpressionError(f"invalid pair {go_text(pair)}")
        if len(pair) != 2:
            raise ExpressionError(f"invalid pair length {go_text(pair)}")
        found[map_key(found, pair[0])] = pair[1]
    return found


def _uniq(value: Any) -> list[Any]:
    found: list[Any] = []
    for item in _list(value, "cannot uniq"):
        if not any(equal(item, other) for other in found):
            found.append(item)
    return found


def _concat(*arguments: Any) -> list[Any]:
    # Nothing put together is a nil list.
    return [item for argument in arguments for item in _list(argument, "cannot concat")] or NilList()


def _flatten(value: Any, depth: int = 0) -> list[Any]:
    if depth > MAX_LIST_DEPTH:
        raise ExpressionError("recursion depth exceeded")
    found: list[Any] = []
    for item in _list(value, "cannot flatten"):
        found += _flatten(item, depth + 1) if isinstance(item, list) else [item]
    return found


def _bits(name: str, function: Callable[[int, int], int]) -> Callable[[Any, Any], int]:
    def checked(left: Any, right: Any) -> int:
        for value in (left, right):
            if not is_integer(value):
                raise ExpressionError(f"cannot use {type_name(value)} as argument (type int) to call {name}")
        if name.startswith(("bitsh", "bitush")) and right < 0:
            raise ExpressionError(f"invalid operation: negative shift count {right} (type int)")
        return wrap(function(int(left), int(right)))

    return checked


def _bit_not(value: Any) -> int:
    if not is_integer(value):
        raise ExpressionError(f"cannot use {type_name(value)} as argument (type int) to call bitnot")
    return ~int(value)


def _duration(text: Any) -> timedelta:
    try:
        return timedelta(microseconds=parse_duration(as_string(text)) / 1000)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": length,
    "type": _type,
    "abs": _abs,
    "ceil": _rounding("ceil", lambda value: math.copysign(float(math.ceil(value)), value)),
    "floor": _rounding("floor", lambda value: float(math.floor(value))),
    "round": _rounding("round", _round),
    "int": _int,
    "float": _float,
    "string": go_text,
    "trim": _trim,
    "trimPrefix": lambda text, prefix=" ": decode(encode(as_string(text)).removeprefix(encode(as_string(prefix)))),
    "trimSuffix": lambda text, suffix=" ": decode(encode(as_string(text)).removesuffix(encode(as_string(suffix)))),
    "upper": _each_char(str.upper),
    "lower": _each_char(str.lower),
    "split": _split,
    "splitAfter": _split_after,
    "replace": _replace,
    "join": _join,
    "indexOf": lambda text, part: encode(as_string(text)).find(encode(as_string(part))),
    "lastIndexOf": lambda text, part: encode(as_string(text)).rfind(encode(as_string(part))),
    "hasPrefix": lambda text, part: encode(as_string(text)).startswith(encode(as_string(part))),
    "hasSuffix": lambda text, part: encode(as_string(text)).endswith(encode(as_string(part))),
    "max": _extreme("max", "<"),
    "min": _extreme("min", ">"),
    "mean": _mean,
    "median": _median,
    "duration": _duration,
    "first": _end(0),
    "last": _end(-1),
    "get": _get,
    "take": _take,
    "keys": lambda value: list(_map(value, "cannot get keys from {}")),
    "values": lambda value: list(_map(value, "cannot get values from {}").values()),
    "toPairs": _to_pairs,
    "fromPairs": _from_pairs,
    "reverse": lambda value: list(reversed(_list(value, "cannot reverse"))),
    "uniq": _uniq,
    "concat": _concat,
    "flatten": _flatten,
    "bitand": _bits("bitand", lambda left, right: left & right),
    "bitor": _bits("bitor", lambda left, right: left | right),
    "bitxor": _bits("bitxor", lambda left, right: left ^ right),
    "bitnand": _bits("bitnand", lambda left, right: left & ~right),
    "bitshl": _bits("bitshl", lambda left, right: left << right if right < 64 else 0),
    "bitshr": _bits("bitshr", lambda left, right: left >> min(right, 64)),
    "bitushr": _bits("bitushr", lambda left, right: (left % 2**64) >> min(right, 64)),
    "bitnot": _bit_not,
}
"""The functions that need no state; the interpreter has ``now``, ``repeat`` and ``sort``."""


def slice_of(value: Any, start: Any, stop: Any) -> Any:
    """Return a part of a list or, by bytes, of a text; None for a ``stop`` is the end."""
    if not isinstance(value, (list, str)):
        if stop is None:
            length(value)
        raise ExpressionError(f"cannot slice {go_text(start)}")
    items: Any = encode(value) if isinstance(value, str) else value
    size = len(items)
    low, high = to_int(start), size if stop is None else to_int(stop)
    low = max(low + size if low < 0 else low, 0)
    high = min(max(high + size if high < 0 else high, 0), size)
    part = items[min(low, high) : high]
    return decode(part) if isinstance(value, str) else type(value)(part)
