"""AnalysisRuns as the controller's objects: their status as JSON, and back (``analysis_types.go``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import asdict

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time, parse_time
from renderer.rollouts.analysis.arguments import Argument
from renderer.rollouts.analysis.run import Measurement, MetricResult, RunSpec, RunStatus, Summary
from renderer.rollouts.model.strategy_status import ANALYSIS_RUN

_COUNTS = {
    "count": "count",
    "successful": "successful",
    "failed": "failed",
    "inconclusive": "inconclusive",
    "error": "error",
    "consecutiveError": "consecutive_error",
    "consecutiveSuccess": "consecutive_success",
}


def run_document(name: str, namespace: str, spec: Body, status: RunStatus) -> dict[str, Any]:
    """Return an AnalysisRun with its status."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    document = {"apiVersion": ANALYSIS_RUN[0], "kind": ANALYSIS_RUN[1], "metadata": metadata, "spec": dict(spec)}
    return document | {"status": status_document(status)}


def spec_document(spec: RunSpec) -> dict[str, Any]:
    """Return the spec of an AnalysisRun; a secret stays a reference."""
    document = {
        "metrics": list(spec.metrics),
        "args": [_argument(argument) for argument in spec.arguments],
        "dryRun": list(spec.dry_run),
        "measurementRetention": list(spec.measurement_retention),
        "terminate": spec.terminate,
    }
    return {key: value for key, value in document.items() if value}


def _argument(argument: Argument) -> dict[str, Any]:
    # A reference of the template stays where the Rollout has no value.
    if argument.secret is not None or argument.value is None:
        return {"name": argument.name, "valueFrom": argument.value_from}
    return {"name": argument.name, "value": argument.value}


def status_document(status: RunStatus, *, with_times: bool = True) -> dict[str, Any]:
    """Return the status as in the AnalysisRun, without empty fields."""
    document = {
        "phase": status.phase,
        "message": status.message,
        "metricResults": [_result(result, with_times) for result in status.metric_results],
        "startedAt": _time(status.started_at) if with_times else "",
        "completedAt": _time(status.completed_at) if with_times else "",
        "runSummary": _summary(status.run_summary),
    }
    document = {key: value for key, value in document.items() if value}
    if status.dry_run_summary is not None:
        document["dryRunSummary"] = _summary(status.dry_run_summary)
    return document


def _summary(summary: Summary) -> dict[str, int]:
    return {key: value for key, value in asdict(summary).items() if value}


def _result(result: MetricResult, with_times: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": result.name,
        "phase": result.phase,
        "message": result.message,
        "dryRun": result.dry_run,
        **{key: getattr(result, name) for key, name in _COUNTS.items()},
        "measurements": [_measurement(item, with_times) for item in result.measurements],
    }
    return {key: value for key, value in document.items() if value}


def _measurement(measurement: Measurement, with_times: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "phase": measurement.phase,
        "value": measurement.value,
        "message": measurement.message,
    }
    if with_times:
        document |= {
            "startedAt": _time(measurement.started_at),
            "finishedAt": _time(measurement.finished_at),
            "resumeAt": _time(measurement.resume_at),
            "metadata": dict(measurement.metadata),
        }
    return {key: value for key, value in document.items() if value}


def _time(time: datetime | None) -> str:
    return "" if time is None else format_time(time)


def status_of_run(body: Body) -> RunStatus:
    """Return the status of an AnalysisRun's manifest, which has the shape that ``status_document`` writes."""
    status: Mapping[str, Any] = body.get("status") or {}
    dry_run = status.get("dryRunSummary")
    return RunStatus(
        phase=status.get("phase", ""),
        message=status.get("message", ""),
        metric_results=tuple(map(_result_of, status.get("metricResults") or ())),
        started_at=_time_of(status, "startedAt"),
        completed_at=_time_of(status, "completedAt"),
        run_summary=Summary(**(status.get("runSummary") or {})),
        dry_run_summary=None if dry_run is None else Summary(**dry_run),
    )


def _result_of(body: Body) -> MetricResult:
    measurements: Sequence[Body] = body.get("measurements") or ()
    return MetricResult(
        name=body["name"],
        phase=body.get("phase", ""),
        dry_run=body.get("dryRun", False),
        measurements=tuple(map(_measurement_of, measurements)),
        message=body.get("message", ""),
        **{name: body.get(key, 0) for key, name in _COUNTS.items()},
    )


def _measurement_of(body: Body) -> Measurement:
    return Measurement(
        phase=body["phase"],
        value=body.get("value", ""),
        message=body.get("message", ""),
        started_at=_time_of(body, "startedAt"),
        finished_at=_time_of(body, "finishedAt"),
        resume_at=_time_of(body, "resumeAt"),
        metadata=body.get("metadata") or {},
    )


def _time_of(body: Mapping[str, Any], key: str) -> datetime | None:
    return parse_time(body[key]) if key in body else None
