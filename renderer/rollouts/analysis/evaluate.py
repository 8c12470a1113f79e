"""The phase of a measurement by its conditions (``utils/evaluate/evaluate.go``)."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from typing import Any

from renderer.rollouts.analysis.expr import ExpressionError, UnsupportedError, check_types, run
from renderer.rollouts.analysis.expr.values import (
    ANY,
    BOOL,
    FLOAT,
    Anything,
    Function,
    Int64,
    go_text,
    is_number,
    truncate,
    type_name,
)
from renderer.rollouts.analysis.go_parse import parse_float, parse_int

SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR = "Successful", "Failed", "Inconclusive", "Error"


class EvaluationError(Exception):
    """A condition whose evaluation fails: the measurement is an Error with this message."""


def evaluate_result(result: Any, success_condition: str, failure_condition: str) -> str:
    """Return the phase of a result: Successful, Failed, Inconclusive.

    ``result`` is a value as in ``expr.values``.  A missing condition is the other one negated; without either, the
    measurement is Successful.  Raises ``EvaluationError``.
    """
    success = bool(success_condition) and _evaluate(result, "successCondition", success_condition)
    failure = bool(failure_condition) and _evaluate(result, "failureCondition", failure_condition)
    if not success_condition and not failure_condition:
        return SUCCESSFUL
    if not failure_condition:
        failure = not success
    elif not success_condition:
        success = not failure
    if failure:
        return FAILED
    return SUCCESSFUL if success else INCONCLUSIVE


def _evaluate(result: Any, kind: str, condition: str) -> bool:
    try:
        return evaluate_condition(result, condition)
    except ExpressionError as error:
        reason = str(error)
        if result is None or result == []:
            reason = "metric result is nil or empty: no data returned from the metric provider"
        raise EvaluationError(f'could not evaluate {kind} "{condition}": {reason}') from None


def evaluate_condition(result: Any, condition: str) -> bool:
    """Return whether a condition holds for a result; raise ``ExpressionError`` where the controller has an error."""
    value = run(condition, _environment(result))
    if not isinstance(value, bool):
        raise ExpressionError(f"expected bool, but got {type_name(value)}")
    return value


# The apps of a fleet often have the same conditions.
@lru_cache(maxsize=1024)
def error_of_condition(condition: str) -> str:
    """Return the error of a condition whatever the result is; empty if only a result can tell.

    What this implementation leaves out is no error: the controller takes it, and nothing else measures.
    """
    try:
        check_types(condition, _environment(Anything()))
    except UnsupportedError:
        return ""
    except ExpressionError as error:
        return str(error)
    return ""


def _environment(result: Any) -> dict[str, Any]:
    functions = (
        Function("asInt", (ANY,), "int64", _as_int),
        Function("asFloat", (ANY,), FLOAT, _as_float),
        Function("isNaN", (FLOAT,), BOOL, math.isnan),
        Function("isInf", (FLOAT,), BOOL, math.isinf),
        # These two look at the result, whatever they are given.
        Function("isNil", (ANY,), BOOL, lambda _: result is None),
        Function("default", (ANY, ANY), ANY, lambda _, other: other if result is None else result),
    )
    return {"result": result, **{function.name: function for function in functions}}


def evaluate_time(expression: str, now: datetime) -> datetime:
    """Return the moment that an expression such as ``now() - duration("1h")`` gives, at the moment ``now``.

    Raises ``ExpressionError``.
    """
    functions = (Function("isNaN", (FLOAT,), BOOL, math.isnan), Function("isInf", (FLOAT,), BOOL, math.isinf))
    value = run(expression, {function.name: function for function in functions}, now)
    if not isinstance(value, datetime):
        raise ExpressionError(f"expected time.Time, but got {type_name(value)}")
    return value


def _as_int(value: Any) -> Int64:
    if isinstance(value, str):
        try:
            return Int64(parse_int(value))
        except ValueError as error:
            raise ExpressionError(str(error)) from None
    if not is_number(value):
        raise ExpressionError(f"asInt() not supported on {type_name(value)} {go_text(value)}")
    return Int64(truncate(value) if isinstance(value, float) else value)


def _as_float(value: Any) -> float:
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError as error:
            raise ExpressionError(str(error)) from None
    if not is_number(value):
        raise ExpressionError(f"asFloat() not supported on {type_name(value)} {go_text(value)}")
    return float(value)
