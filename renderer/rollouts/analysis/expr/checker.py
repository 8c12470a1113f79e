"""The checker of types (``checker/checker.go`` of expr-lang/expr).

It sets the nature of each node, and raises ``ExpressionError`` for the first fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renderer.rollouts.analysis.expr import nodes
from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.names import BUILTINS, PREDICATES, UNSUPPORTED
from renderer.rollouts.analysis.expr.natures import NIL, UNKNOWN, Nature, list_of, nature_of
from renderer.rollouts.analysis.expr.nodes import Node
from renderer.rollouts.analysis.expr.regexp import compile_pattern
from renderer.rollouts.analysis.expr.signatures import OVERLOADS, RULES, Signature
from renderer.rollouts.analysis.expr.values import ANY, BOOL, DURATION, FLOAT, INT, LIST, MAP, STRING, TIME

_BOOL, _INT, _FLOAT, _STRING = Nature(BOOL), Nature(INT), Nature(FLOAT), Nature(STRING)


def check(tree: Node, environment: Mapping[str, Any]) -> Nature:
    """Return the nature of an expression whose names are those of ``environment``, and set that of every node."""
    return _Checker(environment).visit(tree)


class _ArgumentError(ExpressionError):
    """Arguments that do not fit; another list of types may take them."""


class _Scope:
    """The collection of a closure, and the names with ``#`` in it."""

    def __init__(self, collection: Nature, names: Mapping[str, Nature]) -> None:
        self.collection, self.names = collection, names


class _Checker:
    def __init__(self, environment: Mapping[str, Any]) -> None:
        self.environment = environment
        self.scopes: list[_Scope] = []
        self.variables: list[tuple[str, Nature]] = []

    def visit(self, node: Node) -> Nature:
        nature: Nature = getattr(self, f"visit_{type(node).__name__.lower()}")(node)
        node.nature = nature
        return nature

    def visit_nil(self, node: nodes.Nil) -> Nature:
        return NIL

    def visit_literal(self, node: nodes.Literal) -> Nature:
        return nature_of(node.value)

    def visit_identifier(self, node: nodes.Identifier) -> Nature:
        for name, nature in reversed(self.variables):
            if name == node.name:
                return nature
        return UNKNOWN if node.name == "$env" else self.identify(node.name)

    def identify(self, name: str, *, strict: bool = True, builtins: bool = True) -> Nature:
        if name in self.environment:
            return nature_of(self.environment[name])
        if builtins and (name in BUILTINS or name in PREDICATES):
            raise UnsupportedError(f"the function {name} as a value")
        if strict:
            raise ExpressionError(f"unknown name {name}")
        return UNKNOWN

    def visit_unary(self, node: nodes.Unary) -> Nature:
        nature = self.visit(node.operand)
        if node.operator in ("!", "not"):
            if nature.type == BOOL or nature.is_unknown:
                return _BOOL
        elif nature.is_number:
            return nature
        elif nature.is_unknown:
            return UNKNOWN
        raise ExpressionError(f"invalid operation: {node.operator} (mismatched type {nature})")

    def visit_binary(self, node: nodes.Binary) -> Nature:
        left, right = self.visit(node.left), self.visit(node.right)
        if node.operator == "??":
            return _coalesced(left, right)
        if node.operator == "matches" and isinstance(node.right, nodes.Literal) and isinstance(node.right.value, str):
            compile_pattern(node.right.value)
        if node.operator == "in":
            _check_in(left, right)
            found: Nature | None = _BOOL if _takes_in(left, right) else None
        else:
            found = _OPERATIONS[node.operator](left, right)
        if found is None:
            raise ExpressionError(f"invalid operation: {node.operator} (mismatched types {left} and {right})")
        return found

    def visit_chain(self, node: nodes.Chain) -> Nature:
        return self.visit(node.node)

    def visit_member(self, node: nodes.Member) -> Nature:
        name = node.property.value if isinstance(node.property, nodes.Literal) else None
        if isinstance(node.node, nodes.Identifier) and node.node.name == "$env":
            if not isinstance(name, str):
                return UNKNOWN
            return self.identify(name, strict=not node.optional, builtins=False)
        base, wanted = self.visit(node.node), self.visit(node.property)
        if base.is_unknown:
            return UNKNOWN
        if base.nil and isinstance(name, str):
            raise ExpressionError(f"type nil has no field {name}")
        if base.is_map:
            if not wanted.assignable_to(base.key) and not wanted.is_unknown:
                raise ExpressionError(f"cannot use {wanted} to get an element from {base}")
            return base.elements
        if base.type in (TIME, DURATION) and isinstance(name, str):
            raise UnsupportedError(f"the method {name} of {base}")
        if base.is_list:
            if not wanted.is_integer and not wanted.is_unknown:
                raise ExpressionError(f"array elements can only be selected using an integer (got {wanted})")
            return base.elements
        if isinstance(name, str):
            raise ExpressionError(f"type {base} has no {'method' if node.method else 'field'} {name}")
        raise ExpressionError(f"type {base}[{wanted}] is undefined")

    def visit_slice(self, node: nodes.Slice) -> Nature:
        nature = self.visit(node.node)
        if nature.is_unknown:
            # The bounds stay unchecked, as in the controller.
            return UNKNOWN
        if nature.type != STRING and not nature.is_list:
            raise ExpressionError(f"cannot slice {nature}")
        for bound in (node.start, node.stop):
            if bound is not None:
                found = self.visit(bound)
                if not found.is_integer and not found.is_unknown:
                    raise ExpressionError(f"non-integer slice index {found}")
        return nature

    def visit_call(self, node: nodes.Call) -> Nature:
        callee = self.visit(node.callee)
        if callee.is_unknown:
            # The arguments stay unchecked, as in the controller.
            return UNKNOWN
        name = "function"
        if isinstance(node.callee, nodes.Identifier):
            name = node.callee.name
        elif isinstance(node.callee, nodes.Member) and isinstance(node.callee.property, nodes.Literal):
            name = str(node.callee.property.value)
        if callee.nil:
            raise ExpressionError(f"{name} is nil; cannot call nil as function")
        if callee.function is None:
            raise ExpressionError(f"{callee} is not callable")
        function = callee.function
        return self.overload(name, [(function.parameters, function.result)], node.arguments)

    def overload(self, name: str, signatures: Sequence[Signature], given: list[Node]) -> Nature:
        """Return the nature of the first signature's result that takes the arguments."""
        reason = ""
        for signature in signatures:
            try:
                return self.arguments(name, signature, given)
            except _ArgumentError as mismatch:
                reason = str(mismatch)
        # Not one of an inner call, for which an outer one would look on.
        raise ExpressionError(reason)

    def arguments(self, name: str, signature: Signature, given: list[Node]) -> Nature:
        """Return the nature of a call's result; literals become floats where the function takes such."""
        parameters, result = signature
        if len(given) != len(parameters):
            for node in given:
                self.visit(node)
            amount = "too many" if len(given) > len(parameters) else "not enough"
            raise _ArgumentError(f"{amount} arguments to call {name}")
        for index, (node, parameter) in enumerate(zip(given, map(Nature, parameters), strict=True)):
            nature = self.visit(node)
            if parameter.type == FLOAT and nature.is_integer:
                given[index] = _with_floats(node)
            elif parameter.is_integer and nature.is_integer:
                continue
            elif nature.nil:
                if not parameter.is_unknown:
                    raise _ArgumentError(f"cannot use nil as argument (type {parameter}) to call {name}")
            elif not nature.assignable_to(parameter) and not nature.is_unknown:
                # The space at the end is the controller's.
                raise _ArgumentError(f"cannot use {nature} as argument (type {parameter}) to call {name} ")
        return Nature(result)

    def visit_builtin(self, node: nodes.Builtin) -> Nature:
        if node.name in PREDICATES:
            return self.predicate_call(node)
        if node.name in UNSUPPORTED:
            raise UnsupportedError(f"the function {node.name}")
        if node.name == "get":
            return self.get(node)
        if node.name in RULES:
            return RULES[node.name](node.name, [self.visit(argument) for argument in node.arguments])
        return self.overload(node.name, OVERLOADS[node.name], node.arguments)

    def get(self, node: nodes.Builtin) -> Nature:
        if len(node.arguments) != 2:
            raise ExpressionError(f"invalid number of arguments (expected 2, got {len(node.arguments)})")
        base, wanted = (self.visit(argument) for argument in node.arguments)
        if base.is_unknown:
            return UNKNOWN
        if base.is_list and not wanted.is_integer and not wanted.is_unknown:
            raise ExpressionError(f"non-integer slice index {wanted}")
        if base.is_map and not wanted.assignable_to(base.key) and not wanted.is_unknown:
            raise ExpressionError(f"cannot use {wanted} to get an element from {base}")
        if not base.is_list and not base.is_map:
            raise ExpressionError(f"type {base} does not support indexing")
        return base.elements

    def predicate_call(self, node: nodes.Builtin) -> Nature:
        name, arguments = node.name, node.arguments
        collection = self.visit(arguments[0])
        if not collection.is_list and not collection.is_unknown:
            raise ExpressionError(f"builtin {name} takes only array (got {collection})")
        if len(arguments) == 1:  # of count and sum
            return _INT if name == "count" else UNKNOWN if collection.is_unknown else collection.elements
        extra = {"map": {"index": _INT}, "reduce": {"index": _INT, "acc": UNKNOWN}}
        self.scopes.append(_Scope(collection, extra.get(name, {})))
        result = self.visit(arguments[1]).result
        self.scopes.pop()
        if len(arguments) == 3:
            self.visit(arguments[2])
        assert result is not None
        if result.nil:
            count = "two" if name == "reduce" else "one"
            raise ExpressionError(f"predicate should has {count} input and one output param")
        if name not in ("map", "sum", "groupBy", "sortBy", "reduce") and not (result.type == BOOL or result.is_unknown):
            raise ExpressionError(f"predicate should return boolean (got {result})")
        return _predicate_result(name, collection, result)

    def visit_predicate(self, node: nodes.Predicate) -> Nature:
        result = self.visit(node.node)
        shown = f" {result.type or 'interface {}'}" if not result.nil else ""
        return Nature(f"func(interface {{}}){shown}", result=result)

    def visit_pointer(self, node: nodes.Pointer) -> Nature:
        if not self.scopes:
            raise ExpressionError("cannot use pointer accessor outside predicate")
        scope = self.scopes[-1]
        if not node.name:
            return UNKNOWN if scope.collection.is_unknown else scope.collection.elements
        if node.name not in scope.names:
            raise ExpressionError(f"unknown pointer #{node.name}")
        return scope.names[node.name]

    def visit_declaration(self, node: nodes.Declaration) -> Nature:
        if node.name in self.environment:
            raise ExpressionError(f"cannot redeclare {node.name}")
        if node.name in BUILTINS or node.name in PREDICATES:
            raise ExpressionError(f"cannot redeclare builtin {node.name}")
        if any(name == node.name for name, _ in self.variables):
            raise ExpressionError(f"cannot redeclare variable {node.name}")
        self.variables.append((node.name, self.visit(node.value)))
        nature = self.visit(node.body)
        self.variables.pop()
        return nature

    def visit_sequence(self, node: nodes.Sequence) -> Nature:
        return [self.visit(item) for item in node.nodes][-1]

    def visit_conditional(self, node: nodes.Conditional) -> Nature:
        condition = self.visit(node.condition)
        if condition.type != BOOL and not condition.is_unknown:
            raise ExpressionError(f"non-bool expression (type {condition}) used as condition")
        then, otherwise = self.visit(node.then), self.visit(node.otherwise)
        if then.nil or otherwise.nil:
            return otherwise if then.nil else then
        if not then.assignable_to(otherwise):
            return UNKNOWN
        if then.is_list and otherwise.is_list:
            one, other = then.elements, otherwise.elements
            if not one.assignable_to(other) or not other.assignable_to(one):
                return Nature(LIST)
        return then

    def visit_array(self, node: nodes.Array) -> Nature:
        found = [self.visit(item) for item in node.nodes]
        if any(item.kind != found[0].kind for item in found):
            return Nature(LIST)
        return list_of(found[-1] if found else UNKNOWN)

    def visit_map(self, node: nodes.Map) -> Nature:
        for key, value in node.pairs:
            self.visit(key)
            self.visit(value)
        return Nature(MAP)


def _predicate_result(name: str, collection: Nature, result: Nature) -> Nature:
    if name in ("all", "none", "any", "one"):
        return _BOOL
    if name == "filter":
        return Nature(LIST) if collection.is_unknown else list_of(collection.elements)
    if name == "map":
        return list_of(result)
    if name in ("count", "findIndex", "findLastIndex"):
        return _INT
    if name in ("find", "findLast"):
        return UNKNOWN if collection.is_unknown else collection.elements
    if name == "groupBy":
        return Nature("map[interface {}][]interface {}")
    if name == "sum":
        return Nature(result.type or ANY)
    return collection if name == "sortBy" else result


def _with_floats(node: Node) -> Node:
    """Return an argument with its integers as floats, within ``+``, ``-`` and ``*``."""
    if isinstance(node, nodes.Literal) and type(node.value) is int:
        return nodes.Literal(value=float(node.value), nature=_FLOAT)
    if isinstance(node, nodes.Unary):
        node.operand = _with_floats(node.operand)
    elif isinstance(node, nodes.Binary) and node.operator in ("+", "-", "*"):
        node.left, node.right = _with_floats(node.left), _with_floats(node.right)
    return node


def _both(left: Nature, right: Nature, check: str) -> bool:
    return left.is_any_of(check) and right.is_any_of(check)


def _promoted(left: Nature, right: Nature) -> Nature:
    return _FLOAT if FLOAT in (left.type, right.type) else _INT


def _coalesced(left: Nature, right: Nature) -> Nature:
    if left.nil or right.nil:
        return right if left.nil else left
    return left if right.assignable_to(left) else UNKNOWN


def _check_in(left: Nature, right: Nature) -> None:
    if right.is_map and not left.is_unknown and not left.assignable_to(right.key):
        raise ExpressionError(f"cannot use {left} as type {right.key} in map key")
    if right.is_list and not left.comparable_to(right.elements):
        raise ExpressionError(f"cannot use {left} as type {right.elements} in array")


def _takes_in(left: Nature, right: Nature) -> bool:
    return right.is_map or right.is_list or right.is_unknown or (left.is_unknown and right.type == STRING)


def _equality(left: Nature, right: Nature) -> Nature | None:
    return _BOOL if left.comparable_to(right) else None


def _logic(left: Nature, right: Nature) -> Nature | None:
    return _BOOL if _both(left, right, "bool") or left.maybe_compatible(right, "bool") else None


def _comparison(left: Nature, right: Nature) -> Nature | None:
    kinds = ("number", "string", "time", "duration")
    fits = any(_both(left, right, kind) for kind in kinds) or left.maybe_compatible(right, *kinds)
    return _BOOL if fits else None


def _text(left: Nature, right: Nature) -> Nature | None:
    return _BOOL if _both(left, right, "string") or left.maybe_compatible(right, "string") else None


def _addition(left: Nature, right: Nature) -> Nature | None:
    if _both(left, right, "number"):
        return _promoted(left, right)
    if _both(left, right, "string"):
        return _STRING
    times = {left.type, right.type}
    if times == {TIME, DURATION}:
        return Nature(TIME)
    if times == {DURATION}:
        return Nature(DURATION)
    return UNKNOWN if left.maybe_compatible(right, "number", "string", "time", "duration") else None


def _subtraction(left: Nature, right: Nature) -> Nature | None:
    if _both(left, right, "number"):
        return _promoted(left, right)
    if _both(left, right, "time") or _both(left, right, "duration"):
        return Nature(DURATION)
    if (left.type, right.type) == (TIME, DURATION):
        return Nature(TIME)
    return UNKNOWN if left.maybe_compatible(right, "number", "time", "duration") else None


def _multiplication(left: Nature, right: Nature) -> Nature | None:
    if _both(left, right, "number"):
        return _promoted(left, right)
    if DURATION in (left.type, right.type) and all(item.is_any_of("number", "duration") for item in (left, right)):
        return Nature(DURATION)
    return UNKNOWN if left.maybe_compatible(right, "number", "duration") else None


def _division(left: Nature, right: Nature) -> Nature | None:
    return _FLOAT if _both(left, right, "number") or left.maybe_compatible(right, "number") else None


def _remainder(left: Nature, right: Nature) -> Nature | None:
    return _INT if _both(left, right, "integer") or left.maybe_compatible(right, "integer") else None


def _range(left: Nature, right: Nature) -> Nature | None:
    return list_of(_INT) if _remainder(left, right) else None


_OPERATIONS = {
    **dict.fromkeys(("==", "!="), _equality),
    **dict.fromkeys(("or", "||", "and", "&&"), _logic),
    **dict.fromkeys(("<", ">", ">=", "<="), _comparison),
    **dict.fromkeys(("matches", "contains", "startsWith", "endsWith"), _text),
    **dict.fromkeys(("/", "**", "^"), _division),
    "+": _addition,
    "-": _subtraction,
    "*": _multiplication,
    "%": _remainder,
    "..": _range,
}
"""The nature of each operator's result; None where it does not take the operands."""
