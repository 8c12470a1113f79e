"""Go's values in Python: their types, their text, and the operators on them (``vm/runtime`` of expr-lang/expr).

A Go ``int`` is an ``int``, a ``float64`` a ``float``, a ``[]interface {}`` a ``list`` and a ``map[string]interface {}``
a ``dict``; the classes here are the other types of numbers, lists and maps that a condition meets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from renderer.kubernetes.go_json import escape
from renderer.rollouts.analysis.expr.errors import ExpressionError

ANY = "interface {}"
LIST, MAP = "[]interface {}", "map[string]interface {}"
INT, FLOAT, STRING, BOOL = "int", "float64", "string", "bool"
TIME, DURATION = "time.Time", "time.Duration"


class Int64(int):
    """An ``int64``, the result of ``asInt``."""


class Uint8(int):
    """A ``uint8``, a byte of a string."""


class Floats(list[float]):
    """A ``[]float64``, the result of a query that has several values."""


class Ints(list[int]):
    """An ``[]int``, a range."""


class Strings(list[str]):
    """A ``[]string``, the result of ``split``."""


class Maps(list[dict[str, Any]]):
    """A ``[]map[string]interface {}``, rows of a query."""


class Pair(list[Any]):
    """A ``[2]interface {}``, an element of ``toPairs``."""


class Pairs(list[Pair]):
    """A ``[][2]interface {}``, the result of ``toPairs``."""


class AnyMap(dict[Any, Any]):
    """A ``map[interface {}]interface {}``, the result of ``fromPairs``."""


class Groups(dict[Any, Any]):
    """A ``map[interface {}][]interface {}``, the result of ``groupBy``."""


class NilList(list[Any]):
    """A nil ``[]interface {}``, the value of a missing key of ``groupBy``: empty, and equal to nil."""


class Anything:
    """A value that is not known yet: any type is possible."""


class Function:
    """A function of the environment, with its Go type."""

    def __init__(self, name: str, parameters: tuple[str, ...], result: str, call: Callable[..., Any]) -> None:
        self.name, self.parameters, self.result, self.call = name, parameters, result, call
        self.type = f"func({', '.join(parameters)}) {result}"


_TYPES: Mapping[type, str] = {
    type(None): "<nil>",
    Anything: ANY,
    bool: BOOL,
    int: INT,
    Int64: "int64",
    Uint8: "uint8",
    float: FLOAT,
    str: STRING,
    list: LIST,
    NilList: LIST,
    Floats: "[]float64",
    Ints: "[]int",
    Strings: "[]string",
    Maps: "[]map[string]interface {}",
    Pair: "[2]interface {}",
    Pairs: "[][2]interface {}",
    dict: MAP,
    AnyMap: "map[interface {}]interface {}",
    Groups: "map[interface {}][]interface {}",
    datetime: TIME,
    timedelta: DURATION,
}


def type_name(value: Any) -> str:
    """Return the Go type of a value as ``%T`` prints it."""
    return value.type if isinstance(value, Function) else _TYPES[type(value)]


def is_integer(value: Any) -> bool:
    """Return whether a value is of one of Go's integer types."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Return whether a value is a Go integer or float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def wrap(value: int) -> int:
    """Return an integer as 64 bits hold it: Go's arithmetic overflows without an error."""
    return (value + 2**63) % 2**64 - 2**63


def truncate(value: float) -> int:
    """Return a float as Go converts it to an integer; what does not fit is the least ``int64``, as on amd64."""
    if math.isnan(value) or not -(2.0**63) <= value < 2.0**63:
        return -(2**63)
    return int(value)


def conversion_error(value: Any, wanted: str) -> ExpressionError:
    """Return the error of a failed type assertion."""
    found = "nil" if value is None else type_name(value)
    return ExpressionError(f"interface conversion: interface {{}} is {found}, not {wanted}")


def as_bool(value: Any) -> bool:
    """Return a value that has to be a bool."""
    if not isinstance(value, bool):
        raise conversion_error(value, BOOL)
    return value


def as_string(value: Any) -> str:
    """Return a value that has to be a string."""
    if not isinstance(value, str):
        raise conversion_error(value, STRING)
    return value


def to_int(value: Any) -> int:
    """Return a number as an ``int``, truncated."""
    if not is_number(value):
        raise ExpressionError(f"invalid operation: int({type_name(value)})")
    return truncate(value) if isinstance(value, float) else int(value)


def to_float(value: Any) -> float:
    """Return a number as a ``float64``."""
    if not is_number(value):
        raise ExpressionError(f"invalid operation: float({type_name(value)})")
    return float(value)


def _operands(operator: str, left: Any, right: Any) -> tuple[Any, Any]:
    """Return two numbers as Go promotes them: integers stay such, otherwise both are floats."""
    if not (is_number(left) and is_number(right)):
        raise ExpressionError(f"invalid operation: {type_name(left)} {operator} {type_name(right)}")
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    return int(left), int(right)


def compare(operator: str, left: Any, right: Any) -> bool:
    """Return ``left < right`` and the like; strings, times and durations compare with their own kind only."""
    if not any(isinstance(left, kind) and isinstance(right, kind) for kind in (str, datetime, timedelta)):
        left, right = _operands(operator, left, right)
    elif isinstance(left, str):
        left, right = encode(left), encode(right)
    if operator == "<":
        return bool(left < right)
    if operator == "<=":
        return bool(left <= right)
    return bool(left > right) if operator == ">" else bool(left >= right)


def add(left: Any, right: Any) -> Any:
    """Return ``left + right``."""
    if isinstance(left, str) and isinstance(right, str):
        # Two parts of a character's bytes become the character.
        return left + right if left.isascii() or right.isascii() else decode(encode(left) + encode(right))
    if isinstance(left, (datetime, timedelta)) or isinstance(right, (datetime, timedelta)):
        return _add_times(left, right)
    left, right = _operands("+", left, right)
    return left + right if isinstance(left, float) else wrap(left + right)


def _add_times(left: Any, right: Any) -> Any:
    times = (datetime, timedelta)
    if isinstance(left, times) and isinstance(right, times) and not (type(left) is type(right) is datetime):
        return left + right  # type: ignore[operator]
    raise ExpressionError(f"invalid operation: {type_name(left)} + {type_name(right)}")


def subtract(left: Any, right: Any) -> Any:
    """Return ``left - right``."""
    if isinstance(left, (datetime, timedelta)) and isinstance(right, timedelta):
        return left - right
    if isinstance(left, datetime) and isinstance(right, datetime):
        return left - right
    left, right = _operands("-", left, right)
    return left - right if isinstance(left, float) else wrap(left - right)


def multiply(left: Any, right: Any) -> Any:
    """Return ``left * right``; a duration can be multiplied with an integer only."""
    for duration, factor in ((left, right), (right, left)):
        if isinstance(duration, timedelta) and is_integer(factor):
            return duration * int(factor)
    left, right = _operands("*", left, right)
    return left * right if isinstance(left, float) else wrap(left * right)


def divide(left: Any, right: Any) -> float:
    """Return ``left / right`` as a float: infinite or NaN for a division by zero."""
    left, right = map(float, _operands("/", left, right))
    if right:
        return float(left / right)
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def modulo(left: Any, right: Any) -> int:
    """Return the rest of two integers, with the sign of the first."""
    if not (is_integer(left) and is_integer(right)):
        raise ExpressionError(f"invalid operation: {type_name(left)} % {type_name(right)}")
    if right == 0:
        raise ExpressionError("runtime error: integer divide by zero")
    rest = int(abs(left) % abs(right))
    return -rest if left < 0 else rest


def power(left: Any, right: Any) -> float:
    """Return ``left ** right`` as Go's ``math.Pow``, which is infinite or NaN where Python raises."""
    base, exponent = to_float(left), to_float(right)
    odd = exponent.is_integer() and abs(exponent) < 2**53 and int(exponent) % 2 == 1
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0:
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def negate(value: Any) -> Any:
    """Return ``-value``, of the same type."""
    if not is_number(value):
        raise ExpressionError(f"invalid operation: - {type_name(value)}")
    if isinstance(value, Uint8):
        return Uint8(-value % 256)
    return -value if isinstance(value, float) else type(value)(wrap(-value))


def is_nil(value: Any) -> bool:
    """Return whether a value is nil."""
    return value is None or isinstance(value, NilList)


def equal(left: Any, right: Any) -> bool:
    """Return ``left == right``: numbers by value, lists by element, everything else by type and value."""
    if is_number(left) and is_number(right):
        return bool(left == right) if type(left) is type(right) else equal(*_operands("==", left, right))
    if isinstance(left, list) and isinstance(right, list):
        return _equal_lists(left, right)
    if is_nil(left) and is_nil(right):
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return _deep_equal(left, right)
    return False if isinstance(left, Function) else bool(left == right)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    types = {type_name(side) for side in (left, right)}
    if types <= _COMPARABLE and (len(types) == 1 or LIST in types):
        return len(left) == len(right) and all(map(equal, left, right))
    return _deep_equal(left, right)


_COMPARABLE = {LIST, "[]float64", "[]int", "[]string"}
"""The lists that compare by element, each with its own kind and with a ``[]interface {}``."""


def _deep_equal(left: Any, right: Any) -> bool:
    """Return what ``reflect.DeepEqual`` does: equal types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_deep_equal(item, right[key]) for key, item in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_deep_equal, left, right))
    return False if isinstance(left, Function) else bool(left == right)


def encode(text: str) -> bytes:
    """Return the bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Return a Go string of bytes, which may be no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def _digits(value: float) -> tuple[str, str, int]:
    """Return sign, shortest digits and decimal exponent of a finite float."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    assert isinstance(exponent, int)
    stripped = text.rstrip("0")
    if not stripped:
        return "-" if sign else "", "0", 0
    return "-" if sign else "", stripped, len(text) + exponent - 1


def float_text(value: float, *, least: int = -4, most: int = 6) -> str:
    """Return a float as ``%v`` prints it: with an exponent below ``1e-4`` and from ``1e6`` on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = _digits(value)
    if exponent < least or exponent >= most:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits.ljust(exponent + 1, "0")
    rest = whole[exponent + 1 :]
    return f"{sign}{whole[: exponent + 1]}" + (f".{rest}" if rest else "")


def go_text(value: Any) -> str:
    """Return a value as Go's ``fmt`` prints it with ``%v``: maps sorted by key."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: _order(item[0]))
        return f"map[{' '.join(f'{go_text(key)}:{go_text(item)}' for key, item in items)}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    return str(value)


def _order(key: Any) -> tuple[int, Any]:
    """Return the sort key of a map's key: nil, numbers, strings, as in Go's ``internal/fmtsort``."""
    if key is None:
        return 0, 0
    return (1, key) if is_number(key) else (2, go_text(key))


def json_text(value: Any) -> str:
    """Return a value as Go's ``encoding/json`` prints it, keys sorted.

    Raises ``ExpressionError`` for NaN and infinite numbers, which JSON does not have.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError(f"json: unsupported value: {float_text(value)}")
        text = float_text(value, least=-6, most=21)
        # JSON's exponents have no leading zero.
        return text.replace("e-0", "e-") if "e-0" in text else text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, str):
        return escape(json.dumps(value, ensure_ascii=False))
    return "null" if value is None else go_text(value)
