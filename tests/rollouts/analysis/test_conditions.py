"""Conditions against those that the real controller evaluated (``tests/data/analysis``)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.times import parse_time
from renderer.rollouts.analysis.evaluate import (
    EvaluationError,
    error_of_condition,
    evaluate_condition,
    evaluate_result,
    evaluate_time,
)
from renderer.rollouts.analysis.expr import ExpressionError, UnsupportedError
from renderer.rollouts.analysis.expr.values import Floats
from tests.support.condition_corpus import conditions

DATA = Path(__file__).parents[2] / "data" / "analysis"


def recorded() -> list[dict[str, Any]]:
    lines = (DATA / "conditions.jsonl").read_text(encoding="utf-8").splitlines()
    # Go decodes every number of JSON as a float64.
    return [json.loads(line, parse_int=float) for line in lines]


def produce(line: dict[str, Any]) -> tuple[str, str]:
    result = Floats(line["result"]) if line.get("kind") == "floats" else line["result"]
    try:
        return evaluate_result(result, line.get("successCondition", ""), line.get("failureCondition", "")), ""
    except EvaluationError as error:
        return "Error", str(error)


def test_phases_and_messages_are_those_of_the_controller() -> None:
    lines = recorded()
    assert len(lines) == 1500
    differing = [(line, got) for line in lines if (got := produce(line)) != (line["phase"], line.get("error", ""))]
    assert differing == []


def outcome(line: dict[str, Any]) -> dict[str, Any]:
    result = Floats(line["result"]) if line["kind"] == "floats" else line["result"]
    try:
        return {"value": evaluate_condition(result, line["condition"])}
    except UnsupportedError:
        return {}
    except ExpressionError as error:
        return {"error": str(error)}


def test_random_conditions_have_the_value_that_go_gives() -> None:
    drawn = [json.loads(json.dumps(line), parse_int=float) for line in conditions()]
    golden = [json.loads(line) for line in gzip.decompress((DATA / "golden.jsonl.gz").read_bytes()).splitlines()]
    produced = [outcome(line) for line in drawn]
    compared = [(line, got, want) for line, got, want in zip(drawn, produced, golden, strict=True) if got]
    assert len(compared) > 0.99 * len(drawn)
    assert sum("value" in want for want in golden) > len(golden) / 2
    assert [(line, got, want) for line, got, want in compared if got.keys() != want.keys()] == []
    assert [(line, got, want) for line, got, want in compared if got != want] == []


@pytest.mark.parametrize(
    ("success", "failure", "phase"),
    [
        ("", "", "Successful"),
        ("result > 1", "", "Successful"),
        ("result > 9", "", "Failed"),
        ("", "result > 9", "Successful"),
        ("", "result > 1", "Failed"),
        ("result > 9", "result < 1", "Inconclusive"),
        ("result > 1", "result > 2", "Failed"),
        ("result > 1", "result > 9", "Successful"),
    ],
)
def test_a_missing_condition_is_the_other_one_negated(success: str, failure: str, phase: str) -> None:
    assert evaluate_result(5.0, success, failure) == phase


@pytest.mark.parametrize("result", [None, [], Floats()])
def test_an_error_on_no_data_says_so(result: Any) -> None:
    with pytest.raises(EvaluationError, match="metric result is nil or empty: no data returned"):
        evaluate_result(result, "result[0] > 1", "")


def test_is_nil_and_default_look_at_the_result_only() -> None:
    assert evaluate_result(5.0, "!isNil(nil) && default(nil, 1) == 5", "") == "Successful"
    assert evaluate_result(None, "isNil(1) && default(7, 1) == 1", "") == "Successful"


def test_a_time_is_relative_to_the_given_moment() -> None:
    now = parse_time("2026-01-01T12:00:00Z")
    assert evaluate_time('now() - duration("1h30m")', now) == parse_time("2026-01-01T10:30:00Z")
    assert evaluate_time("now()", now) == now
    with pytest.raises(ExpressionError, match=r"expected time\.Time, but got int"):
        evaluate_time("1", now)
    with pytest.raises(ExpressionError, match="missing unit in duration"):
        evaluate_time('now() - duration("10")', now)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("result > 1", ""),
        ("result.errors > 5 && len(result) > 1", ""),
        ("all(result, # > 1)", ""),
        ("result >", "unexpected token EOF"),
        ("results > 1", "unknown name results"),
        ("isNaN('a')", "cannot use string as argument (type float64) to call isNaN "),
        ("len(result) > 'a'", "invalid operation: > (mismatched types int and string)"),
        ("result matches '('", "error parsing regexp: missing closing ): `(`"),
        ("date(result) == result", ""),
    ],
)
def test_an_error_that_no_result_avoids(condition: str, error: str) -> None:
    assert error_of_condition(condition) == error
