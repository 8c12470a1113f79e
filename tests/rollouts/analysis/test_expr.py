"""The expression language: what it evaluates, refuses and bounds."""

from __future__ import annotations

import math
from typing import Any

import pytest

from renderer.rollouts.analysis.expr import ExpressionError, UnsupportedError, run, unsupported
from renderer.rollouts.analysis.expr.interpreter import STEPS
from renderer.rollouts.analysis.expr.parser import MAX_DEPTH, MAX_HEIGHT
from renderer.rollouts.analysis.expr.values import Floats

ENVIRONMENT: dict[str, Any] = {
    "rows": [{"v": 1.0, "name": "a"}, {"v": 5.0, "name": "b"}],
    "floats": Floats([0.5, 2.0]),
    "map": {"errors": 3.0, "name": "web", "none": None},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 ** 2", 19.0),
        ("7 % -3", 1),
        ("-7 % 3", -1),
        ("9223372036854775807 + 1", -(2**63)),
        ("1 / 0", math.inf),
        ("0x1F + 0b11 + 0o17 + 1_000", 1049),
        ("'a' + `b` + \"\\u{43}\"", "abC"),
        ("2 in 1..3 and 4 not in 1..3", True),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("not true or true", True),
        ("map?.missing?.deep ?? 'none'", "none"),
        ("map.none?.deep", None),
        ("rows[-1].name", "b"),
        ("rows | filter(.v > 2) | map(.name)", ["b"]),
        ("len(filter(rows, .v > 0))", 2),
        ("first(filter(rows, .v > 9))", None),
        ("find(rows, .v > 2).name", "b"),
        ("findIndex(rows, {.v == 5})", 1),
        ("findLastIndex(rows, true)", 1),
        ("one(rows, .v == 1)", True),
        ("sum(rows, .v) / len(rows)", 3.0),
        ("reduce(rows, #acc + #.v, 10)", 16.0),
        ("map(floats, # * #index)", [0.0, 2.0]),
        ("sortBy(rows, .v, 'desc')[0].name", "b"),
        ("keys(groupBy(rows, .name))", ["a", "b"]),
        ("median([3, 1, 2])", 2.0),
        ("max(1, [2.5, 2]) + min(floats)", 3.0),
        ("let x = 2; let y = 3; x * y", 6),
        ("if map.errors > 2 { 'bad' } else { 'good' }", "bad"),
        ("map.errors > 2 ? 1 : 2", 1),
        ("map.none ?? 1", 1),
        ("'abc'[1:]", "bc"),
        ("[1, 2, 3][1:2]", [2]),
        ("{a: 1, 'b c': 2}['b c']", 2),
        ("split('a,b', ',') == ['a', 'b']", True),
        ("floats == [0.5, 2]", True),
        ("int('12') + int(3.9)", 15),
        ("string(1000000.0) + string([1, nil, true])", "1e+06[1 <nil> true]"),
        ("round(-2.5)", -3.0),
        ("trim('  x ') + upper('ß') + trimPrefix('v1', 'v')", "xß1"),
        ("1 /* one */ + 2 // two", 3),
    ],
)
def test_values(expression: str, value: Any) -> None:
    got = run(expression, ENVIRONMENT)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("rows > 1", r"invalid operation: > (mismatched types []interface {} and int)"),
        ("rows[0] > 1", "invalid operation: map[string]interface {} > int"),
        ("missing", "unknown name missing"),
        ("1 ?? 2 > 1", "Operator (>) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."),
        ("a @ b", "unrecognized character: U+0040 '@'"),
        ("'open", "literal not terminated"),
        ("1 +", "unexpected token EOF"),
        ("10a", 'bad number syntax: "10a"'),
        ("1 % 0", "integer divide by zero"),
        ("map.a(1)", "invalid operation: cannot call nil"),
        ("int(rows[0].v) % 0", "runtime error: integer divide by zero"),
        ("1..2000000", "memory budget exceeded"),
        ("all(rows, .v)", "interface conversion: interface {} is float64, not bool"),
        ("all(rows, 1)", "predicate should return boolean (got int)"),
        ("rows[2]", "index out of range: 2 (array length is 2)"),
        ("#", 'unexpected token Operator("#")'),
        ("let map = 1; 2", "cannot redeclare map"),
        ("'a' matches '['", "error parsing regexp: missing closing ]: `[`"),
        ("'a' matches 'a(?=b)'", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"),
    ],
)
def test_errors(expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        run(expression, ENVIRONMENT)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # The other side would be an error, which the optimizer removes.
        ("rows[5].v > 1 and false", False),
        ("rows[5].v > 1 or true", True),
        # Two loops become one: the second closure does not see the first element.
        ("any(rows, .v > 0) || any(rows, .missing > 0)", True),
        ("all(rows, .v < 1) && all(rows, .name < 1)", False),
    ],
)
def test_the_optimizer_changes_what_fails(expression: str, value: Any) -> None:
    assert run(expression, ENVIRONMENT) is value


@pytest.mark.parametrize(
    "expression",
    [
        "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
        "+".join(["floats[0]"] * MAX_HEIGHT),
        "!" * 5000 + "true",
        "[" * 5000,
        "now()",
        "1 > findLast(floats, # > 1)",
        "1 > filter(floats, # > 1)[-1]",
        "date('2026-01-01')",
        "toJSON(rows)",
        "duration('1h').Hours()",
        "'a' matches '\\\\pL'",
        "'a' matches '(a{1000}b{1000}){1}(a|b){1000}(c{1000}){1}(d|e|f|g|h|i|j){1000}'",
    ],
)
def test_what_is_outside_is_refused_by_name(expression: str) -> None:
    with pytest.raises(UnsupportedError):
        run(expression, ENVIRONMENT)


def test_an_expression_ends() -> None:
    rows = {"rows": [1.0] * 2000}
    with pytest.raises(UnsupportedError, match=f"does not end within {STEPS} steps"):
        run("count(rows, {count(rows, {# > 2}) > 1}) > 1", rows)


def test_functions_that_are_left_out_are_named() -> None:
    assert unsupported("toJSON(result) == date('x') || len(result) > 1") == ("date", "toJSON")
    assert unsupported("len(result) > 1") == ()
    with pytest.raises(ExpressionError, match="unexpected token EOF"):
        unsupported("len(")
