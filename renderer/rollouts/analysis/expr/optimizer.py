"""The rewriting of expressions (``optimizer`` of expr-lang/expr): it changes which errors occur when they run.

``result.x > 1 && false`` is false for every result, and ``all(a, p) && all(a, q)`` becomes one loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from renderer.rollouts.analysis.expr import nodes, values
from renderer.rollouts.analysis.expr.errors import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.names import PREDICATES
from renderer.rollouts.analysis.expr.natures import Nature, nature_of
from renderer.rollouts.analysis.expr.nodes import Node, same
from renderer.rollouts.analysis.expr.values import INT, LIST

Rule = Callable[[Node], Node | None]
"""A rule returns the node to put in the place of another; None leaves that."""

AND, OR = ("and", "&&"), ("or", "||")
_FOLDS = 1000


def optimize(tree: Node) -> Node:
    """Return the expression as the controller runs it; raise ``ExpressionError`` for a modulo by a literal zero."""
    tree = _rewrite(tree, _lookup_in_array)[0]
    for _ in range(_FOLDS):
        tree, changed = _rewrite(tree, _fold)
        if not changed:
            break
    for rule in _RULES:
        tree = _rewrite(tree, rule)[0]
    _refuse_mixed_up(tree, follows=False)
    return tree


BACKWARDS = ("findLast", "findLastIndex")
_JUMPING = (*AND, *OR, "??")
_ONE_AT_A_TIME = (nodes.Conditional, nodes.Declaration, nodes.Sequence)
"""The nodes that drop the value of a child before they evaluate the next one."""


def _refuse_mixed_up(node: Node, *, follows: bool) -> None:
    """Refuse a search from the end that follows an operand.

    expr-lang/expr v1.17.7 then takes a value of the search's loop in the place of that operand.
    """
    if follows and isinstance(node, nodes.Builtin) and node.name in BACKWARDS:
        raise UnsupportedError(f"{node.name}, or last or [-1] of a filter, after another operand")
    for index, child in enumerate(nodes.children(node)):
        pushed = index > 0 and not isinstance(node, _ONE_AT_A_TIME)
        if isinstance(node, nodes.Binary) and node.operator in _JUMPING:
            pushed = False
        elif isinstance(node, nodes.Builtin) and node.name in PREDICATES:
            # The values of these two stay on the stack until their loop is over.
            pushed = node.name in ("map", "filter")
        elif isinstance(node, nodes.Call):
            # The function is the last to be evaluated.
            pushed = index > 1 or (index == 0 and bool(node.arguments))
        _refuse_mixed_up(child, follows=follows or pushed)


def _rewrite(node: Node, rule: Rule) -> tuple[Node, bool]:
    """Apply a rule from the leaves to the root; return the new node, and whether anything changed."""
    changed = False
    for name in node.__struct_fields__:
        value = getattr(node, name)
        # Closures that ``filter`` took over from ``map`` are not visited.
        if name == "mapped":
            continue
        if isinstance(value, Node):
            new, once = _rewrite(value, rule)
            setattr(node, name, new)
            changed |= once
        elif isinstance(value, list):
            for index, item in enumerate(value):
                value[index], once = _rewrite_item(item, rule)
                changed |= once
    found = rule(node)
    return (node, changed) if found is None else (found, True)


def _rewrite_item(item: Any, rule: Rule) -> tuple[Any, bool]:
    if isinstance(item, tuple):
        found = [_rewrite(child, rule) for child in item]
        return tuple(node for node, _ in found), any(once for _, once in found)
    # The list of a constant has values, not nodes.
    return _rewrite(item, rule) if isinstance(item, Node) else (item, False)


def _literal(value: Any) -> nodes.Literal:
    return nodes.Literal(value=value, nature=nature_of(value))


def _lookup_in_array(node: Node) -> Node | None:
    """Look up an integer among integers, or anything among texts, in a set."""
    if not (isinstance(node, nodes.Binary) and node.operator == "in" and isinstance(node.right, nodes.Array)):
        return None
    items = [item.value if isinstance(item, nodes.Literal) else None for item in node.right.nodes]
    if items and node.left.nature.type == INT and all(type(item) is int for item in items):
        kind = INT
    elif items and all(isinstance(item, str) for item in items):
        kind = values.STRING
    else:
        return None
    lookup = nodes.Constant(value=frozenset(items), nature=Nature(f"map[{kind}]struct {{}}"))
    return replace(node, right=lookup)


def _fold(node: Node) -> Node | None:
    if isinstance(node, nodes.Unary) and isinstance(node.operand, nodes.Literal):
        return _fold_unary(node.operator, node.operand.value)
    if isinstance(node, nodes.Binary):
        return _fold_binary(node)
    if isinstance(node, nodes.Array):
        items = [item.value for item in node.nodes if isinstance(item, nodes.Literal)]
        return nodes.Constant(value=items, nature=Nature(LIST)) if items and len(items) == len(node.nodes) else None
    if isinstance(node, nodes.Builtin) and node.name == "filter" and len(node.arguments) == 2:
        return _fold_filter(node)
    return None


def _fold_unary(operator: str, value: Any) -> Node | None:
    if isinstance(value, bool):
        return _literal(not value) if operator in ("!", "not") else None
    if not values.is_number(value) or operator in ("!", "not"):
        return None
    return _literal(values.negate(value) if operator == "-" else value)


def _fold_binary(node: nodes.Binary) -> Node | None:
    left = node.left.value if isinstance(node.left, nodes.Literal) else None
    right = node.right.value if isinstance(node.right, nodes.Literal) else None
    if node.operator in AND or node.operator in OR:
        neutral = node.operator in AND
        if left is neutral:
            return replace(node.right, nature=node.nature)
        if right is neutral:
            return replace(node.left, nature=node.nature)
        return _literal(not neutral) if left is (not neutral) or right is (not neutral) else None
    if left is None or right is None:
        return None
    if node.operator == "==":
        alike = type(left) is type(right) and not isinstance(left, float)
        return _literal(left == right) if alike else None
    if isinstance(left, str) and isinstance(right, str):
        return _literal(left + right) if node.operator == "+" else None
    if not (values.is_number(left) and values.is_number(right)):
        return None
    if node.operator == "%":
        if not type(left) is type(right) is int:
            return None
        if right == 0:
            raise ExpressionError("integer divide by zero")
        return _literal(values.modulo(left, right))
    return _literal(_ARITHMETIC[node.operator](left, right)) if node.operator in _ARITHMETIC else None


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "**": values.power,
    "^": values.power,
}


def _predicate(node: Node) -> Node:
    assert isinstance(node, nodes.Predicate)
    return node.node


def _fold_filter(node: nodes.Builtin) -> Node | None:
    base = node.arguments[0]
    if not (isinstance(base, nodes.Builtin) and base.name == "filter"):
        return None
    both = nodes.Binary(operator="&&", left=_predicate(base.arguments[1]), right=_predicate(node.arguments[1]))
    return nodes.Builtin(name="filter", arguments=[base.arguments[0], nodes.Predicate(node=both)], nature=node.nature)


def _in_range(node: Node) -> Node | None:
    """Compare an integer with the bounds of a literal range, which is not made."""
    if not (isinstance(node, nodes.Binary) and node.operator == "in" and node.left.nature.type == INT):
        return None
    bounds = node.right
    if not (isinstance(bounds, nodes.Binary) and bounds.operator == ".."):
        return None
    if not all(isinstance(end, nodes.Literal) and type(end.value) is int for end in (bounds.left, bounds.right)):
        return None
    least = nodes.Binary(operator=">=", left=node.left, right=bounds.left)
    most = nodes.Binary(operator="<=", left=node.left, right=bounds.right)
    return nodes.Binary(operator="and", left=least, right=most, nature=node.nature)


def _is_filter(node: Node) -> bool:
    return isinstance(node, nodes.Builtin) and node.name == "filter" and len(node.arguments) == 2


def _filter_map(node: Node) -> Node | None:
    if not (isinstance(node, nodes.Builtin) and node.name == "map" and len(node.arguments) == 2):
        return None
    base, predicate = node.arguments
    if any(isinstance(inner, nodes.Pointer) and inner.name == "index" for inner in nodes.walk(predicate)):
        return None
    if not _is_filter(base) or not isinstance(base, nodes.Builtin) or base.mapped is not None:
        return None
    return replace(base, mapped=_predicate(predicate), nature=node.nature)


def _filter_len(node: Node) -> Node | None:
    if isinstance(node, nodes.Builtin) and node.name == "len" and len(node.arguments) == 1:
        base = node.arguments[0]
        if isinstance(base, nodes.Builtin) and _is_filter(base):
            return nodes.Builtin(name="count", arguments=base.arguments, nature=node.nature)
    return None


def _filter_end(name: str, index: int, search: str) -> Rule:
    """Return the rule for the first or last element of a filter: it searches, and stops at what it finds."""

    def rule(node: Node) -> Node | None:
        base: Node | None = None
        throws = False
        if isinstance(node, nodes.Member) and not node.optional and isinstance(node.property, nodes.Literal):
            if type(node.property.value) is int and node.property.value == index:
                base, throws = node.node, True
        elif isinstance(node, nodes.Builtin) and node.name == name and len(node.arguments) == 1:
            base = node.arguments[0]
        if not isinstance(base, nodes.Builtin) or not _is_filter(base):
            return None
        return replace(base, name=search, throws=throws, nature=node.nature)

    return rule


_COMBINED = {
    **{("all", operator): operator for operator in AND},
    **{("any", operator): operator for operator in OR},
    ("none", "and"): "or",
    ("none", "&&"): "||",
}


def _combine_predicates(node: Node) -> Node | None:
    """Make one loop of two over the same list."""
    if not isinstance(node, nodes.Binary):
        return None
    left, right = node.left, node.right
    if not (isinstance(left, nodes.Builtin) and isinstance(right, nodes.Builtin) and left.name == right.name):
        return None
    operator = _COMBINED.get((left.name, node.operator))
    if operator is None or left.arguments[0].nature.type != right.arguments[0].nature.type:
        return None
    if not same(left.arguments[0], right.arguments[0]):
        return None
    both: Node = nodes.Binary(
        operator=operator, left=_predicate(left.arguments[1]), right=_predicate(right.arguments[1])
    )
    both = _combine_predicates(both) or both
    return nodes.Builtin(name=left.name, arguments=[left.arguments[0], nodes.Predicate(node=both)], nature=node.nature)


def _sum_array(node: Node) -> Node | None:
    if not (isinstance(node, nodes.Builtin) and node.name == "sum" and len(node.arguments) == 1):
        return None
    array = node.arguments[0]
    if not isinstance(array, nodes.Array) or len(array.nodes) < 2:
        return None
    total = array.nodes[-1]
    for item in array.nodes[-2::-1]:
        total = nodes.Binary(operator="+", left=item, right=total)
    return replace(total, nature=node.nature)


def _sum_map(node: Node) -> Node | None:
    if isinstance(node, nodes.Builtin) and node.name == "sum" and len(node.arguments) == 1:
        base = node.arguments[0]
        if isinstance(base, nodes.Builtin) and base.name == "map" and len(base.arguments) == 2:
            return nodes.Builtin(name="sum", arguments=base.arguments, nature=node.nature)
    return None


_RULES: tuple[Rule, ...] = (
    _in_range,
    _filter_map,
    _filter_len,
    _filter_end("last", -1, "findLast"),
    _filter_end("first", 0, "find"),
    _combine_predicates,
    _sum_array,
    _sum_map,
)
