"""The evaluation of a checked expression (``compiler/compiler.go`` and ``vm/vm.go`` of expr-lang/expr)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cmp_to_key
from typing import Any

from renderer.rollouts.analysis.expr import nodes, values
from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.functions import FUNCTIONS, fetch, key_error, kind_of, map_key, slice_of
from renderer.rollouts.analysis.expr.names import PREDICATES
from renderer.rollouts.analysis.expr.nodes import Node
from renderer.rollouts.analysis.expr.regexp import compile_pattern
from renderer.rollouts.analysis.expr.values import (
    FLOAT,
    INT,
    STRING,
    Function,
    Groups,
    Ints,
    Uint8,
    as_bool,
    as_string,
    conversion_error,
    encode,
    equal,
    is_nil,
    to_int,
    type_name,
)

MEMORY = 1_000_000
"""The most elements of lists and maps that an expression makes, as in expr-lang/expr."""
STEPS = 1_000_000
"""The most nodes that an expression evaluates."""


def evaluate(tree: Node, environment: Mapping[str, Any], now: datetime | None = None) -> Any:
    """Return the value of an expression; ``now`` is the moment that ``now()`` gives.

    Raises ``ExpressionError`` where the controller's evaluation fails, and ``UnsupportedError`` for one that does not
    end within ``STEPS``.
    """
    return _Interpreter(environment, now).visit(tree)


class _ChainIsNil(Exception):  # noqa: N818 - caught where the chain ends
    """A link before ``?.`` is nil, and so is the chain."""


class _Scope:
    """The loop of a closure."""

    def __init__(self, items: Any) -> None:
        self.items, self.index, self.accumulator = items, 0, None
        if not isinstance(items, (list, dict, str)):
            kind = "zero" if items is None else kind_of(items)
            raise ExpressionError(f"reflect: call of reflect.Value.Len on {kind} Value")
        self.size = len(encode(items)) if isinstance(items, str) else len(items)

    def item(self) -> Any:
        if isinstance(self.items, dict):
            raise ExpressionError("reflect: call of reflect.Value.Index on map Value")
        if self.index >= self.size:
            raise ExpressionError(f"reflect: {kind_of(self.items)} index out of range")
        found = fetch(self.items, self.index)
        return Uint8(found) if isinstance(self.items, str) else found


class _Interpreter:
    def __init__(self, environment: Mapping[str, Any], now: datetime | None) -> None:
        self.environment, self.now = environment, now
        self.scopes: list[_Scope] = []
        self.variables: list[tuple[str, Any]] = []
        self.memory, self.steps = 0, 0
        self.visitors: dict[type[Node], Callable[[Any], Any]] = {
            kind: getattr(self, f"visit_{kind.__name__.lower()}") for kind in Node.__subclasses__()
        }

    def visit(self, node: Node) -> Any:
        self.steps += 1
        if self.steps > STEPS:
            raise UnsupportedError(f"an expression that does not end within {STEPS} steps")
        return self.visitors[type(node)](node)

    def grow(self, size: int) -> None:
        self.memory += size
        if self.memory >= MEMORY:
            raise ExpressionError("memory budget exceeded")

    def visit_nil(self, node: nodes.Nil) -> None:
        return None

    def visit_literal(self, node: nodes.Literal) -> Any:
        return node.value

    def visit_constant(self, node: nodes.Constant) -> Any:
        return node.value

    def visit_identifier(self, node: nodes.Identifier) -> Any:
        for name, value in reversed(self.variables):
            if name == node.name:
                return value
        return dict(self.environment) if node.name == "$env" else self.environment.get(node.name)

    def visit_unary(self, node: nodes.Unary) -> Any:
        value = self.visit(node.operand)
        if node.operator in ("!", "not"):
            return not as_bool(value)
        return values.negate(value) if node.operator == "-" else value

    def visit_binary(self, node: nodes.Binary) -> Any:
        operator = node.operator
        left = self.visit(node.left)
        if operator in ("or", "||"):
            return left if as_bool(left) else self.visit(node.right)
        if operator in ("and", "&&"):
            return self.visit(node.right) if as_bool(left) else left
        if operator == "??":
            return self.visit(node.right) if is_nil(left) else left
        if operator == "matches" and isinstance(node.right, nodes.Literal):
            return _matches(left, node.right.value)
        right = self.visit(node.right)
        if operator in ("==", "!="):
            return _equal(node, left, right) == (operator == "==")
        if operator in ("<", "<=", ">", ">="):
            return values.compare(operator, left, right)
        return self.range(left, right) if operator == ".." else _OPERATIONS[operator](left, right)

    def range(self, left: Any, right: Any) -> Ints:
        least, most = to_int(left), to_int(right)
        self.grow(max(most - least + 1, 0))
        return Ints(range(least, most + 1))

    def visit_chain(self, node: nodes.Chain) -> Any:
        try:
            return self.visit(node.node)
        except _ChainIsNil:
            return None

    def visit_member(self, node: nodes.Member) -> Any:
        base = self.visit(node.node)
        if node.optional and is_nil(base):
            raise _ChainIsNil
        return fetch(base, self.visit(node.property))

    def visit_slice(self, node: nodes.Slice) -> Any:
        value = self.visit(node.node)
        stop = None if node.stop is None else self.visit(node.stop)
        if node.stop is not None and stop is None:
            raise ExpressionError("invalid operation: int(<nil>)")
        return slice_of(value, 0 if node.start is None else self.visit(node.start), stop)

    def visit_call(self, node: nodes.Call) -> Any:
        arguments = [self.visit(argument) for argument in node.arguments]
        function = self.visit(node.callee)
        if function is None:
            raise ExpressionError("invalid operation: cannot call nil")
        if not isinstance(function, Function):
            raise ExpressionError(f"invalid operation: cannot call non-function of type {type_name(function)}")
        if len(arguments) != len(function.parameters):
            raise ExpressionError("reflect: Call with too many or too few input arguments")
        for argument, parameter in zip(arguments, function.parameters, strict=True):
            if parameter == FLOAT and not isinstance(argument, float):
                raise conversion_error(argument, FLOAT)
        return function.call(*arguments)

    def visit_builtin(self, node: nodes.Builtin) -> Any:
        if node.name in PREDICATES:
            return self.loop(node)
        arguments = [self.visit(argument) for argument in node.arguments]
        if node.name == "now":
            if self.now is None:
                raise UnsupportedError("the function now where no moment is given")
            return self.now
        if node.name == "repeat":
            return self.repeat(*arguments)
        if node.name == "sort":
            self.grow(len(arguments[0]) if isinstance(arguments[0], list) else 0)
            return _sorted(*arguments)
        found = FUNCTIONS[node.name](*arguments)
        if node.name in ("reverse", "concat", "flatten"):
            self.grow(len(found))
        return found

    def repeat(self, text: Any, count: Any) -> str:
        text, count = as_string(text), to_int(count)
        if count < 0:
            raise ExpressionError(f"invalid argument for repeat (expected positive integer, got {count})")
        if count > MEMORY:
            raise ExpressionError("memory budget exceeded")
        self.grow(len(encode(text)) * count)
        return str(text * count)

    def loop(self, node: nodes.Builtin) -> Any:
        """Run a function that takes a closure."""
        scope = _Scope(self.visit(node.arguments[0]))
        self.scopes.append(scope)
        try:
            return getattr(self, f"loop_{node.name.lower()}")(node, scope)
        finally:
            self.scopes.pop()

    def each(self, node: nodes.Builtin, scope: _Scope, *, backwards: bool = False) -> Iterator[Any]:
        """Yield what the closure gives for each element, or the element where there is no closure."""
        last = scope.size - 1
        while (last if backwards else scope.index) >= 0 and (backwards or scope.index < scope.size):
            scope.index = last if backwards else scope.index
            yield self.visit(node.arguments[1]) if len(node.arguments) > 1 else scope.item()
            last -= 1
            scope.index += 1

    def loop_all(self, node: nodes.Builtin, scope: _Scope) -> bool:
        return all(map(as_bool, self.each(node, scope)))

    def loop_any(self, node: nodes.Builtin, scope: _Scope) -> bool:
        return any(map(as_bool, self.each(node, scope)))

    def loop_none(self, node: nodes.Builtin, scope: _Scope) -> bool:
        return not self.loop_any(node, scope)

    def loop_one(self, node: nodes.Builtin, scope: _Scope) -> bool:
        return self.loop_count(node, scope) == 1

    def loop_count(self, node: nodes.Builtin, scope: _Scope) -> int:
        return sum(map(as_bool, self.each(node, scope)))

    def loop_filter(self, node: nodes.Builtin, scope: _Scope) -> list[Any]:
        found = [self.found(node, scope) for fits in self.each(node, scope) if as_bool(fits)]
        self.grow(len(found))
        return found

    def found(self, node: nodes.Builtin, scope: _Scope) -> Any:
        return scope.item() if node.mapped is None else self.visit(node.mapped)

    def loop_map(self, node: nodes.Builtin, scope: _Scope) -> list[Any]:
        found = list(self.each(node, scope))
        self.grow(scope.size)
        return found

    def loop_sum(self, node: nodes.Builtin, scope: _Scope) -> Any:
        total: Any = 0
        for value in self.each(node, scope):
            total = values.add(value, total)
        return total

    def loop_find(self, node: nodes.Builtin, scope: _Scope, *, backwards: bool = False) -> Any:
        for fits in self.each(node, scope, backwards=backwards):
            if as_bool(fits):
                return self.found(node, scope)
        if node.throws:
            raise ExpressionError("reflect: slice index out of range")
        return None

    def loop_findlast(self, node: nodes.Builtin, scope: _Scope) -> Any:
        return self.loop_find(node, scope, backwards=True)

    def loop_findindex(self, node: nodes.Builtin, scope: _Scope, *, backwards: bool = False) -> int | None:
        for fits in self.each(node, scope, backwards=backwards):
            if as_bool(fits):
                return scope.index
        return None

    def loop_findlastindex(self, node: nodes.Builtin, scope: _Scope) -> int | None:
        return self.loop_findindex(node, scope, backwards=True)

    def loop_groupby(self, node: nodes.Builtin, scope: _Scope) -> Groups:
        groups = Groups()
        for key in self.each(node, scope):
            groups.setdefault(map_key(groups, key), []).append(scope.item())
        return groups

    def loop_sortby(self, node: nodes.Builtin, scope: _Scope) -> list[Any]:
        order = self.visit(node.arguments[2]) if len(node.arguments) == 3 else "asc"
        if as_string(order) not in ("asc", "desc"):
            raise ExpressionError("unknown order, use asc or desc")
        found = [(key, scope.item()) for key in self.each(node, scope)]
        self.grow(scope.size)
        return [item for _, item in _ordered(found, lambda pair: pair[0], descending=order == "desc")]

    def loop_reduce(self, node: nodes.Builtin, scope: _Scope) -> Any:
        if len(node.arguments) == 3:
            scope.accumulator = self.visit(node.arguments[2])
        else:
            scope.accumulator = scope.item()
            scope.index += 1
        for value in self.each(node, scope):
            scope.accumulator = value
        return scope.accumulator

    def visit_predicate(self, node: nodes.Predicate) -> Any:
        return self.visit(node.node)

    def visit_pointer(self, node: nodes.Pointer) -> Any:
        scope = self.scopes[-1]
        if node.name == "index":
            return scope.index
        return scope.accumulator if node.name == "acc" else scope.item()

    def visit_conditional(self, node: nodes.Conditional) -> Any:
        return self.visit(node.then if as_bool(self.visit(node.condition)) else node.otherwise)

    def visit_declaration(self, node: nodes.Declaration) -> Any:
        self.variables.append((node.name, self.visit(node.value)))
        value = self.visit(node.body)
        self.variables.pop()
        return value

    def visit_sequence(self, node: nodes.Sequence) -> Any:
        return [self.visit(item) for item in node.nodes][-1]

    def visit_array(self, node: nodes.Array) -> list[Any]:
        found = [self.visit(item) for item in node.nodes]
        self.grow(len(found))
        return found

    def visit_map(self, node: nodes.Map) -> dict[str, Any]:
        found = [(self.visit(key), self.visit(value)) for key, value in node.pairs]
        self.grow(len(found))
        return {as_string(key): value for key, value in reversed(found)}


def _equal(node: nodes.Binary, left: Any, right: Any) -> bool:
    """Compare two values; where both types are known, a value of another one is an error."""
    kinds = {node.left.nature.type, node.right.nature.type}
    for kind, python in ((INT, int), (STRING, str)):
        if kinds == {kind}:
            for value in (left, right):
                if type(value) is not python:
                    raise conversion_error(value, kind)
    return equal(left, right)


def _in(needle: Any, items: Any) -> bool:
    if items is None:
        return False
    if isinstance(items, list):
        return any(equal(item, needle) for item in items)
    if isinstance(items, dict):
        return map_key(items, needle) in items
    if isinstance(items, frozenset):
        kind = type(next(iter(items)))
        if needle is None:
            return kind() in items
        if type(needle) is not kind:
            raise key_error(needle, type_name(kind()))
        return needle in items
    raise ExpressionError(f'operator "in" not defined on {type_name(items)}')


def _matches(text: Any, pattern: Any) -> bool:
    if is_nil(text) or is_nil(pattern):
        return False
    pattern = as_string(pattern)
    if not isinstance(text, str):
        raise conversion_error(text, "[]uint8")
    return compile_pattern(pattern).search(text)


def _of_texts(test: Callable[[bytes, bytes], bool]) -> Callable[[Any, Any], bool]:
    """Return an operator on texts, which Go compares by bytes; nil has no text in it."""

    def operation(left: Any, right: Any) -> bool:
        if is_nil(left) or is_nil(right):
            return False
        return test(encode(as_string(left)), encode(as_string(right)))

    return operation


def _ordered(items: list[Any], key: Callable[[Any], Any], *, descending: bool) -> list[Any]:
    """Return items in order; equal ones stay in theirs, as in Go up to twelve items."""

    def compare(left: Any, right: Any) -> int:
        left, right = (key(right), key(left)) if descending else (key(left), key(right))
        return -1 if values.compare("<", left, right) else int(values.compare("<", right, left))

    return sorted(items, key=cmp_to_key(compare))


def _sorted(items: Any, order: Any = "asc") -> list[Any]:
    if as_string(order) not in ("asc", "desc"):
        raise ExpressionError(f"invalid order {order}, expected asc or desc")
    if not isinstance(items, list):
        return []
    return _ordered(list(items), lambda item: item, descending=order == "desc")


_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
    "**": values.power,
    "^": values.power,
    "in": _in,
    "matches": _matches,
    "contains": _of_texts(lambda left, right: right in left),
    "startsWith": _of_texts(bytes.startswith),
    "endsWith": _of_texts(bytes.endswith),
}
