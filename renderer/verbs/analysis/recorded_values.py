"""The phase that a recorded value has by the conditions of its metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from renderer.rollouts.analysis.evaluate import ERROR, SUCCESSFUL, EvaluationError, evaluate_result
from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import Floats, Maps
from renderer.rollouts.analysis.go_parse import parse_float
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import COMPLETED, Measurement
from renderer.rollouts.analysis.web import decode_json


def phase_of_value(metric: Metric, measurement: Measurement) -> str:
    """Return the phase of a measurement by its value; empty where the value does not say it.

    An Error has no value, what is in flight has none yet, and some providers round theirs or have none at all.
    """
    read = next((read for name, read in _READERS.items() if metric.provider.get(name) is not None), None)
    if read is None or measurement.phase == ERROR or measurement.phase not in COMPLETED:
        return ""
    try:
        result = read(measurement.value)
    except ValueError:
        # The web provider takes a text that is no JSON for a success.
        return SUCCESSFUL if metric.provider.get("web") is not None else ERROR
    try:
        return evaluate_result(result, metric.success_condition, metric.failure_condition)
    except (EvaluationError, ExpressionError):
        return ERROR


def _prometheus(value: str) -> Any:
    if not value.startswith("["):
        return parse_float(value)
    texts = value.removeprefix("[").removesuffix("]")
    return Floats(parse_float(text) for text in texts.split(",") if text)


def _new_relic(value: str) -> Any:
    decoded = decode_json(value)
    return Maps(decoded) if isinstance(decoded, list) else decoded


_READERS: Mapping[str, Callable[[str], Any]] = {
    "prometheus": _prometheus,
    "web": decode_json,
    "plugin": decode_json,
    "newRelic": _new_relic,
    "skywalking": decode_json,
}
"""The reader of a recorded value for each provider whose values are exact."""
