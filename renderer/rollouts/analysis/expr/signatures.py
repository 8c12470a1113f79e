"""The types of the language's functions, as the checker sees them (``builtin`` of expr-lang/expr)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.natures import Nature
from renderer.rollouts.analysis.expr.values import ANY, BOOL, DURATION, FLOAT, INT, LIST, STRING, TIME

Signature = tuple[tuple[str, ...], str]
"""The types of the parameters, and that of the result."""

_S, _STRINGS = STRING, "[]string"
_NUMBERS = ("int", "int64", "uint8", "float64")
_LISTS = ("slice", "array")


def _text(*counts: int, result: str = STRING) -> tuple[Signature, ...]:
    return tuple(((_S,) * count, result) for count in counts)


OVERLOADS: dict[str, tuple[Signature, ...]] = {
    "type": (((ANY,), STRING),),
    "string": (((ANY,), STRING),),
    "trim": _text(1, 2),
    "trimPrefix": _text(2, 1),
    "trimSuffix": _text(2, 1),
    "upper": _text(1),
    "lower": _text(1),
    "split": (((_S, _S), _STRINGS), ((_S, _S, INT), _STRINGS)),
    "splitAfter": (((_S, _S), _STRINGS), ((_S, _S, INT), _STRINGS)),
    "replace": (((_S, _S, _S, INT), STRING), ((_S, _S, _S), STRING)),
    "repeat": (((_S, INT), STRING),),
    "join": tuple(((kind, *glue), STRING) for kind, glue in (
        (_STRINGS, (_S,)), (LIST, (_S,)), (LIST, ()), (_STRINGS, (_S,)), (_STRINGS, ()),
    )),
    "indexOf": _text(2, result=INT),
    "lastIndexOf": _text(2, result=INT),
    "hasPrefix": _text(2, result=BOOL),
    "hasSuffix": _text(2, result=BOOL),
    "duration": _text(1, result=DURATION),
    "sort": tuple(((kind, *order), LIST) for order, kinds in (
        ((_S,), (LIST, "[]int", "[]float64", _STRINGS)), ((), (LIST, "[]float64", _STRINGS, "[]int")),
    ) for kind in kinds),
    **dict.fromkeys(("bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr"), (((INT, INT), INT),)),
    "bitnot": (((INT,), INT),),
}  # fmt: skip
"""The functions that have a list of types; the first that fits is used."""


def _expect(count: int, arguments: Sequence[Nature]) -> None:
    if len(arguments) != count:
        raise ExpressionError(f"invalid number of arguments (expected {count}, got {len(arguments)})")


def _type(nature: Nature) -> str:
    """Return the Go type of an argument, which has none where it is nil."""
    return "%!s(<nil>)" if nature.nil else nature.type or ANY


def _kind(nature: Nature) -> str:
    return "" if nature.nil else nature.kind or "interface"


Rule = Callable[[str, Sequence[Nature]], Nature]


def _unary(kinds: Sequence[str], result: str, message: str = "invalid argument for {name} (type {type})") -> Rule:
    """Return the rule of a function of one argument; without a ``result``, the type is the argument's."""

    def rule(name: str, arguments: Sequence[Nature]) -> Nature:
        _expect(1, arguments)
        (argument,) = arguments
        if _kind(argument) not in ("interface", *kinds):
            raise ExpressionError(message.format(name=name, type=_type(argument)))
        return Nature(result or _type(argument))

    return rule


def _element(name: str, arguments: Sequence[Nature]) -> Nature:
    _expect(1, arguments)
    (argument,) = arguments
    if _kind(argument) == "interface":
        return Nature(ANY)
    if _kind(argument) not in _LISTS:
        raise ExpressionError(f"cannot get {name} element from {_type(argument)}")
    return Nature(Nature(argument.type).elements.type)


def _aggregate(name: str, arguments: Sequence[Nature]) -> Nature:
    if not arguments:
        raise ExpressionError(f"not enough arguments to call {name}")
    for argument in arguments:
        if _kind(argument) in ("interface", *_LISTS):
            return Nature(ANY)
        if _kind(argument) not in _NUMBERS:
            raise ExpressionError(f"invalid argument for {name} (type {_type(argument)})")
    return Nature(arguments[0].type)


def _take(_name: str, arguments: Sequence[Nature]) -> Nature:
    _expect(2, arguments)
    if _kind(arguments[0]) not in ("interface", *_LISTS):
        raise ExpressionError(f"cannot take from {_type(arguments[0])}")
    if _kind(arguments[1]) not in ("interface", "int", "int64"):
        raise ExpressionError(f"cannot take {_type(arguments[1])} elements")
    return Nature(_type(arguments[0]))


def _concat(_name: str, arguments: Sequence[Nature]) -> Nature:
    if not arguments:
        raise ExpressionError("invalid number of arguments (expected at least 1, got 0)")
    for argument in arguments:
        if _kind(argument) not in ("interface", *_LISTS):
            raise ExpressionError(f"cannot concat {_type(argument)}")
    return Nature(LIST)


def _now(_name: str, arguments: Sequence[Nature]) -> Nature:
    if arguments:
        raise ExpressionError(f"invalid number of arguments (expected 0, got {len(arguments)})")
    return Nature(TIME)


RULES: dict[str, Rule] = {
    "len": _unary((*_LISTS, "map", STRING), INT),
    "abs": _unary(_NUMBERS, ""),
    **dict.fromkeys(("ceil", "floor", "round"), _unary(_NUMBERS, FLOAT)),
    "int": _unary((*_NUMBERS, STRING), INT),
    "float": _unary((*_NUMBERS, STRING), FLOAT),
    **dict.fromkeys(("max", "min", "mean", "median"), _aggregate),
    "now": _now,
    "first": _element,
    "last": _element,
    "take": _take,
    "keys": _unary(("map",), LIST, "cannot get keys from {type}"),
    "values": _unary(("map",), LIST, "cannot get values from {type}"),
    "toPairs": _unary(("map",), LIST, "cannot transform {type} to pairs"),
    "fromPairs": _unary(_LISTS, "map[interface {}]interface {}", "cannot transform {type} from pairs"),
    "reverse": _unary(_LISTS, LIST, "cannot reverse {type}"),
    "uniq": _unary(_LISTS, LIST, "cannot uniq {type}"),
    "concat": _concat,
    "flatten": _unary(_LISTS, LIST, "cannot flatten {type}"),
}
"""The functions with a rule of their own: from the natures of the arguments to that of the result."""
