"""Metrics of an AnalysisRun, and what makes one invalid (``utils/analysis/factory.go``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body
from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.regexp import compile_pattern
from renderer.rollouts.analysis.go_parse import parse_duration, parse_int

PROVIDERS = (
    *("prometheus", "job", "web", "wavefront", "kayenta", "datadog", "newRelic", "cloudWatch", "graphite", "influxdb"),
    "skywalking",
)
"""The providers of the controller, plugins aside."""

CONSECUTIVE_ERROR_LIMIT = 4
"""The default of ``consecutiveErrorLimit``."""


class InvalidAnalysisError(Exception):
    """An analysis that the controller refuses, with its message."""


class Metric(Struct, frozen=True):
    """A metric whose arguments are resolved; ``body`` is the whole of it, and a missing number is None."""

    name: str
    body: Body
    interval: str = ""
    initial_delay: str = ""
    count: int | None = None
    success_condition: str = ""
    failure_condition: str = ""
    failure_limit: int | None = None
    inconclusive_limit: int | None = None
    consecutive_error_limit: int | None = None
    consecutive_success_limit: int | None = None

    @property
    def effective_count(self) -> int | None:
        """The number of measurements: one without ``count`` and ``interval``, None for an endless metric."""
        return self.count or (None if self.interval else 1)

    @property
    def provider(self) -> Mapping[str, Any]:
        """The metric's provider, by name."""
        provider: Mapping[str, Any] = self.body.get("provider") or {}
        return provider


def metric_of(body: Body) -> Metric:
    """Return the metric of a manifest, after the schema's checks."""
    return Metric(
        str(body.get("name") or ""),
        body,
        str(body.get("interval") or ""),
        str(body.get("initialDelay") or ""),
        _int_or_string(body.get("count")),
        str(body.get("successCondition") or ""),
        str(body.get("failureCondition") or ""),
        _int_or_string(body.get("failureLimit")),
        _int_or_string(body.get("inconclusiveLimit")),
        _int_or_string(body.get("consecutiveErrorLimit")),
        _int_or_string(body.get("consecutiveSuccessLimit")),
    )


def _int_or_string(value: Any) -> int | None:
    """Return the number of an ``IntOrString``: 0 for a text that is none."""
    if value is None or isinstance(value, int):
        return value
    try:
        return parse_int(str(value))
    except ValueError:
        return 0


def duration(text: str) -> timedelta:
    """Return a duration such as ``1m30s``; raise ``ValueError`` with Go's message."""
    return timedelta(microseconds=parse_duration(text) / 1000)


def validate_metrics(metrics: Sequence[Metric]) -> None:
    """Raise ``InvalidAnalysisError`` for the first fault of the metrics."""
    if not metrics:
        raise InvalidAnalysisError("no metrics specified")
    names: set[str] = set()
    for index, metric in enumerate(metrics):
        if metric.name in names:
            raise InvalidAnalysisError(f"metrics[{index}]: duplicate name '{metric.name}'")
        names.add(metric.name)
        error = error_of(metric)
        if error:
            raise InvalidAnalysisError(f"metrics[{index}]: {error}")


def error_of(metric: Metric) -> str:
    """Return the first fault of a metric; empty for a valid one."""
    return _error_of_limits(metric) or _error_of_times(metric) or _error_of_provider(metric)


def _error_of_limits(metric: Metric) -> str:
    count, failure = metric.count or 0, metric.failure_limit or 0
    success, inconclusive = metric.consecutive_success_limit or 0, metric.inconclusive_limit or 0
    if success < 0:
        return "consecutiveSuccessLimit must be >= 0"
    if failure < -1:
        return "failureLimit must be >= 0, or -1 to be disabled"
    if success == 0 and failure == -1:
        return "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    if inconclusive < 0:
        return "inconclusiveLimit must be >= 0"
    if (metric.consecutive_error_limit or 0) < 0:
        return "consecutiveErrorLimit must be >= 0"
    if count > 0:
        if failure >= 0 and count < failure + success:
            limits = f"({failure} + {success}) if both >= 0"
            return f"count ({count}) must be >= failureLimit + consecutiveSuccessLimit {limits}"
        if failure < 0 and count < success:
            return "count must be >= consecutiveSuccessLimit"
        if count < inconclusive:
            return "count must be >= inconclusiveLimit"
    return ""


def _error_of_times(metric: Metric) -> str:
    if (metric.count or 0) > 1 and not metric.interval:
        return "interval must be specified when count > 1"
    for text, name in ((metric.interval, "interval"), (metric.initial_delay, "startDelay")):
        if text:
            try:
                duration(text)
            except ValueError as error:
                return f"invalid {name} string: {error}"
    return ""


def _error_of_provider(metric: Metric) -> str:
    provider = metric.provider
    count = sum(provider.get(name) is not None for name in PROVIDERS) + len(provider.get("plugin") or ())
    if count == 0:
        return "no provider specified"
    return "multiple providers specified" if count > 1 else ""


def matching(rules: Sequence[Body], field: str, names: Iterable[str]) -> dict[str, Body]:
    """Return the rule of each metric whose name the pattern ``metricName`` of ``dryRun`` … matches, the last one.

    Raises ``InvalidAnalysisError`` for a rule that matches none.
    """
    found: dict[str, Body] = {}
    names = list(names)
    for index, rule in enumerate(rules):
        matched = [name for name in names if _matches(str(rule.get("metricName") or ""), name)]
        if not matched:
            raise InvalidAnalysisError(f"{field}[{index}]: Rule didn't match any metric name(s)")
        found.update(dict.fromkeys(matched, rule))
    return found


def _matches(pattern: str, name: str) -> bool:
    try:
        return compile_pattern(pattern).search(name)
    except ExpressionError:
        return False
