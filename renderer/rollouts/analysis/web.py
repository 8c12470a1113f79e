"""The value that the web provider finds in an answer (``metricproviders/webmetric``)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from renderer.rollouts.analysis.evaluate import ERROR, SUCCESSFUL, EvaluationError, evaluate_result
from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import json_text
from renderer.rollouts.analysis.jsonpath import JSONPathError, find, parse
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

MAX_DEPTH = 200
"""The deepest answer: Python's stack is smaller than Go's."""


def web_measurement(metric: Metric, status: int, answer: str) -> Measurement:
    """Return the measurement of an HTTP status and an answer.

    A text that is no JSON is Successful whatever the conditions say.  Of what the path finds, the first counts.
    """
    web: Mapping[str, Any] = metric.provider.get("web") or {}
    path = str(web.get("jsonPath") or "{$}")
    try:
        parse(path)
    except (JSONPathError, ExpressionError) as error:
        return Measurement(ERROR, message=str(error))
    if not 200 <= status < 300:
        return Measurement(ERROR, message=f"received non 2xx response code: {status}")
    try:
        data = decode_json(answer)
    except ValueError:
        return Measurement(SUCCESSFUL, answer)
    if is_deeper(data, MAX_DEPTH):
        return Measurement(ERROR, message=f"rollstep leaves out an answer nested more than {MAX_DEPTH} levels deep")
    try:
        found = next((value for results in find(path, data) for value in results), _NOTHING)
    except (JSONPathError, ExpressionError) as error:
        return Measurement(ERROR, message=f"Could not find JSONPath in body: {error}")
    if found is _NOTHING:
        return Measurement(ERROR, message="result of web metric produced no value")
    try:
        value = json_text(found)
        return Measurement(evaluate_result(found, metric.success_condition, metric.failure_condition), value)
    except (EvaluationError, ExpressionError) as error:
        return Measurement(ERROR, message=str(error))


_NOTHING = object()


def is_deeper(value: Any, limit: int) -> bool:
    """Return whether lists and maps are nested deeper than the limit."""
    level = [value]
    for _ in range(limit + 1):
        containers = [
            item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))
        ]
        level = [inner for container in containers for inner in container]
        if not containers:
            return False
    return True


def decode_json(text: str) -> Any:
    """Return decoded JSON with every number as a float; raise ``ValueError`` where Go does."""
    try:
        return json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_constant)
    except RecursionError:
        raise ValueError("exceeded max depth") from None


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"cannot unmarshal number {text} into Go value of type float64")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")
