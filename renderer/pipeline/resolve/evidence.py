"""The measurements of a commit in words: the results of its analyses, and the evidence for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from renderer.kubernetes.manifest import Body
from renderer.pipeline.resolve.measured import BAD, verdicts_between
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.resolve.step_change import Evidence, MetricChange
from renderer.rollouts.analysis.arguments import resolve_metric, without_secrets
from renderer.rollouts.analysis.documents import status_of_run
from renderer.rollouts.analysis.metrics import InvalidAnalysisError, Metric
from renderer.rollouts.analysis.run import COMPLETED, Measurement, MetricResult, run_spec_of

MOST_VALUES = 10
"""The values of a metric that a message shows, the last ones."""
MOST_CHARACTERS = 60


def evidence_of(move: Move) -> Evidence:
    """Return what the commit of a move measured."""
    changes = metric_changes(move.before.analysis_runs, move.after.analysis_runs)
    return Evidence(_results(move), _verdict(move), changes)


def _results(move: Move) -> str:
    """Return the runs that are over with their results: ``web-7776f59c58-2-1 Failed``; empty without one."""
    verdicts = verdicts_between(move.before.analysis_runs, move.after.analysis_runs)
    return ", ".join(f"{name} {status.phase}" for name, status in verdicts)


def _verdict(move: Move) -> str:
    """Return the metrics that stopped the release, for a subject: ``success-rate Failed``; empty without one."""
    verdicts = verdicts_between(move.before.analysis_runs, move.after.analysis_runs)
    bad = [status for _, status in verdicts if status.phase in BAD]
    metrics = [f"{result.name} {result.phase}" for status in bad for result in status.metric_results if _is_bad(result)]
    return ", ".join(metrics or [f"analysis {status.phase}" for status in bad])


def metric_changes(before: Sequence[Body], after: Sequence[Body]) -> tuple[MetricChange, ...]:
    """Return what was measured between two states of the AnalysisRuns, by run and metric."""
    known = {run["metadata"]["name"]: run for run in before}
    return tuple(change for run in after for change in _changes_of(run, known.get(run["metadata"]["name"])))


def _changes_of(run: Body, before: Body | None) -> Iterator[MetricChange]:
    name, status = run["metadata"]["name"], status_of_run(run)
    old = None if before is None else status_of_run(before)
    metrics = _metrics(run)
    for result in status.metric_results:
        was = None if old is None else old.result(result.name)
        fresh = [item for item in result.measurements if was is None or item not in was.measurements]
        if not fresh:
            continue
        metric = metrics.get(result.name)
        yield MetricChange(
            run=name,
            name=result.name,
            phase=f"{result.phase} (dry run)" if result.dry_run else result.phase,
            values=_values(fresh),
            limits="" if metric is None else _limits(metric),
            link="" if metric is None else link_of(metric),
            is_over=result.phase in COMPLETED,
            message=_reason(result, status.message) if _is_bad(result) else "",
            count=result.count,
        )


def _reason(result: MetricResult, message: str) -> str:
    return message if f'"{result.name}"' in message else f'Metric "{result.name}" assessed {result.phase}'


def _is_bad(result: MetricResult) -> bool:
    return result.phase in BAD and not result.dry_run


def _metrics(run: Body) -> dict[str, Metric]:
    """Return the metrics of a run by name, with placeholders for secrets; none for an invalid one."""
    spec = run_spec_of(run)
    try:
        found = [resolve_metric(body, without_secrets(spec.arguments)) for body in spec.metrics]
    except InvalidAnalysisError:
        return {}
    return {metric.name: metric for metric in found}


def _values(measurements: list[Measurement]) -> str:
    shown = [shortened(item.value or item.phase) for item in measurements[-MOST_VALUES:]]
    return " ".join([*(["…"] if len(measurements) > MOST_VALUES else []), *shown])


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return at most ``most`` characters of a text, with an ellipsis where the rest is left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _limits(metric: Metric) -> str:
    limits = {"failureLimit": metric.failure_limit, "inconclusiveLimit": metric.inconclusive_limit}
    limits |= {"consecutiveErrorLimit": metric.consecutive_error_limit}
    limits |= {"consecutiveSuccessLimit": metric.consecutive_success_limit}
    parts = [f"success: {metric.success_condition}" if metric.success_condition else ""]
    parts += [f"failure: {metric.failure_condition}" if metric.failure_condition else ""]
    parts += [f"{name} {value}" for name, value in limits.items() if value is not None]
    return ", ".join(filter(None, parts))


def link_of(metric: Metric) -> str:
    """Return the address at which a person can ask a metric's query again; empty if its provider names none."""
    for provider, fields in metric.provider.items():
        found: dict[str, Any] = fields if isinstance(fields, dict) else {}
        address = str(found.get("address") or "").rstrip("/")
        if provider == "prometheus" and address:
            return f"{address}/graph?g0.expr={quote(str(found.get('query') or ''), safe='')}&g0.tab=0"
        if provider == "web":
            return str(found.get("url") or "")
        if address:
            return address
    return ""
