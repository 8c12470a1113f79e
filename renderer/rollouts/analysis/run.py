"""One pass over an AnalysisRun (``analysis/analysis.go``).

A pass has two halves: ``begin`` says which metrics are due, the caller measures them, and ``finish`` assesses.  Both
are functions of the run, its status and the time; ``next_pass`` says when to look again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.analysis.arguments import (
    Argument,
    arguments_of,
    hide,
    resolve_metric,
    with_secrets,
    without_secrets,
)
from renderer.rollouts.analysis.evaluate import ERROR, FAILED, INCONCLUSIVE, SUCCESSFUL
from renderer.rollouts.analysis.metrics import (
    CONSECUTIVE_ERROR_LIMIT,
    InvalidAnalysisError,
    Metric,
    duration,
    matching,
    validate_metrics,
)

RUNNING, PENDING = "Running", "Pending"
WORST_LAST = (SUCCESSFUL, RUNNING, PENDING, INCONCLUSIVE, ERROR, FAILED)
COMPLETED = (SUCCESSFUL, FAILED, ERROR, INCONCLUSIVE)
"""The phases of what is over."""

ERROR_INTERVAL = timedelta(seconds=10)
"""The time after an Error, and where no interval is set."""
KEPT_MEASUREMENTS = 10
"""The measurements of a metric that are kept unless ``measurementRetention`` says otherwise."""


class RunSpec(Struct, frozen=True):
    """The spec of an AnalysisRun."""

    metrics: tuple[Body, ...] = ()
    arguments: tuple[Argument, ...] = ()
    dry_run: tuple[Body, ...] = ()
    measurement_retention: tuple[Body, ...] = ()
    terminate: bool = False


def run_spec_of(body: Body) -> RunSpec:
    """Return the spec of an AnalysisRun's manifest."""
    spec: Mapping[str, Any] = body.get("spec") or {}
    return RunSpec(
        tuple(spec.get("metrics") or ()),
        arguments_of(spec.get("args") or ()),
        tuple(spec.get("dryRun") or ()),
        tuple(spec.get("measurementRetention") or ()),
        bool(spec.get("terminate")),
    )


class Measurement(Struct, frozen=True):
    """A measurement; one without an end is in flight, and looked at again at ``resume_at``."""

    phase: str
    value: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    resume_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class MetricResult(Struct, frozen=True):
    """The result of a metric; the counts are of all its measurements, also of those that are not kept."""

    name: str
    phase: str = RUNNING
    dry_run: bool = False
    measurements: tuple[Measurement, ...] = ()
    message: str = ""
    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0
    consecutive_error: int = 0
    consecutive_success: int = 0


class Summary(Struct, frozen=True):
    """The number of metrics, and of those that are over the number that have each phase by their limits."""

    count: int = 0
    successful: int = 0
    failed: int = 0
    inconclusive: int = 0
    error: int = 0


class RunStatus(Struct, frozen=True):
    """The status of an AnalysisRun; the metrics are in the order of their first measurement."""

    phase: str = ""
    message: str = ""
    metric_results: tuple[MetricResult, ...] = ()
    started_at: datetime | None = None
    completed_at: datetime | None = None
    run_summary: Summary = Summary()
    dry_run_summary: Summary | None = None

    def result(self, name: str) -> MetricResult | None:
        """Return the result of a metric."""
        return next((result for result in self.metric_results if result.name == name), None)

    @property
    def is_completed(self) -> bool:
        """Return whether the run is over."""
        return self.phase in COMPLETED


class Task(Struct, frozen=True):
    """A measurement to take, of a metric with its secrets; ``incomplete`` is the one to resume or terminate."""

    metric: Metric
    incomplete: Measurement | None = None


class Pass(Struct, frozen=True):
    """A pass: what to measure, and what its second half needs.  One without metrics is over: so is the run."""

    status: RunStatus
    tasks: tuple[Task, ...] = ()
    metrics: tuple[Metric, ...] = ()
    dry_run: Mapping[str, Body] = field(default_factory=dict)
    retention: Mapping[str, Body] = field(default_factory=dict)
    terminates: bool = False
    is_terminated: bool = False
    secrets: tuple[str, ...] = ()


def is_terminating(spec_terminate: bool, status: RunStatus) -> bool:
    """Return whether no measurement begins any more: the run was told so, or a metric is over and not Successful."""
    return spec_terminate or any(
        result.phase in (FAILED, ERROR, INCONCLUSIVE) for result in status.metric_results if not result.dry_run
    )


def begin(spec: RunSpec, status: RunStatus, secrets: Mapping[str, Mapping[str, str]], now: datetime) -> Pass:
    """Return the first half of a pass over a run that is not over.

    ``secrets`` has the data of each Secret by name.  A run that cannot be resolved or is invalid ends in an Error.
    """
    try:
        metrics = tuple(resolve_metric(body, without_secrets(spec.arguments)) for body in spec.metrics)
    except InvalidAnalysisError as error:
        return _invalid(status, f"Unable to resolve metric arguments: {error}")
    try:
        validate_metrics(metrics)
        names = [metric.name for metric in metrics]
        dry_run = matching(spec.dry_run, "dryRun", names)
        retention = matching(spec.measurement_retention, "measurementRetention", names)
    except InvalidAnalysisError as error:
        return _invalid(status, f"Analysis spec invalid: {error}")
    terminating = is_terminating(spec.terminate, status)
    due = _due(metrics, status, now, terminating=terminating)
    try:
        arguments, hidden = with_secrets(spec.arguments, secrets)
        tasks = tuple(Task(resolve_metric(spec.metrics[index], arguments), last) for index, last in due)
    except InvalidAnalysisError as error:
        return _invalid(status, f"Unable to resolve metric arguments: {error}")
    return Pass(status, tasks, metrics, dry_run, retention, terminating, spec.terminate, hidden)


def _invalid(status: RunStatus, message: str) -> Pass:
    return Pass(replace(status, phase=ERROR, message=message))


def _due(
    metrics: Sequence[Metric], status: RunStatus, now: datetime, *, terminating: bool
) -> list[tuple[int, Measurement | None]]:
    """Return the index of each metric to measure, with its measurement in flight."""
    due: list[tuple[int, Measurement | None]] = []
    for index, metric in enumerate(metrics):
        result = status.result(metric.name)
        if result is not None and result.phase in COMPLETED:
            continue
        last = result.measurements[-1] if result is not None and result.measurements else None
        if last is not None and last.finished_at is None:
            if terminating or last.resume_at is None or last.resume_at <= now:
                due.append((index, last))
        elif not terminating:
            at = _due_at(metric, result, last, status, now)
            # A first measurement is due at its moment, every other one strictly after it.
            if at is not None and (now > at or (last is None and now == at)):
                due.append((index, None))
    return due


def _due_at(
    metric: Metric, result: MetricResult | None, last: Measurement | None, status: RunStatus, now: datetime
) -> datetime | None:
    """Return the moment of the next measurement; None if there is none or its moment is not known yet."""
    if result is None or last is None:
        if not metric.initial_delay:
            return now
        return status.started_at + duration(metric.initial_delay) if status.started_at is not None else None
    if metric.effective_count is not None and result.count >= metric.effective_count:
        return None
    assert last.finished_at is not None
    if last.phase == ERROR or not metric.interval:
        return last.finished_at + ERROR_INTERVAL
    return last.finished_at + duration(metric.interval)


def finish(started: Pass, measurements: Sequence[Measurement], now: datetime, *, keeps_all: bool = False) -> RunStatus:
    """Return the status after a pass, with a measurement for each of its tasks.

    Times are whole seconds, as the API server keeps them.  ``keeps_all`` leaves old measurements to ``trimmed``.
    """
    if not started.metrics:
        return started.status
    now = now.replace(microsecond=0)
    status = started.status
    for task, measurement in zip(started.tasks, measurements, strict=True):
        taken = replace(
            measurement,
            message=hide(measurement.message, started.secrets),
            started_at=measurement.started_at or now,
            finished_at=measurement.finished_at or (now if measurement.phase in COMPLETED else None),
        )
        status = _with_measurement(status, task, taken, dry_run=task.metric.name in started.dry_run)
    status = replace(status, started_at=status.started_at or now)
    status, phase, message = _assess(started, status)
    if phase != status.phase:
        completed_at = status.completed_at or (now if phase in COMPLETED else None)
        status = replace(status, phase=phase, message=message, completed_at=completed_at)
    return status if keeps_all else trimmed(started, status, {})


def _with_result(status: RunStatus, result: MetricResult) -> RunStatus:
    names = [other.name for other in status.metric_results]
    if result.name not in names:
        return replace(status, metric_results=(*status.metric_results, result))
    index = names.index(result.name)
    results = (*status.metric_results[:index], result, *status.metric_results[index + 1 :])
    return replace(status, metric_results=results)


def _with_measurement(status: RunStatus, task: Task, taken: Measurement, *, dry_run: bool) -> RunStatus:
    name = task.metric.name
    result = status.result(name) or MetricResult(name, dry_run=dry_run)
    kept = result.measurements if task.incomplete is None else result.measurements[:-1]
    result = replace(result, measurements=(*kept, taken))
    if taken.phase == ERROR:
        result = replace(
            result, error=result.error + 1, consecutive_error=result.consecutive_error + 1, consecutive_success=0
        )
    elif taken.phase in COMPLETED:
        successes = result.consecutive_success + 1 if taken.phase == SUCCESSFUL else 0
        result = replace(result, count=result.count + 1, consecutive_error=0, consecutive_success=successes)
        counter = taken.phase.lower()
        result = replace(result, **{counter: getattr(result, counter) + 1})
    return _with_result(status, result)


def trimmed(started: Pass, status: RunStatus, fresh: Mapping[str, int]) -> RunStatus:
    """Return the status with the last measurements of each metric, and at least the ``fresh`` ones, by its name."""

    def kept(result: MetricResult) -> MetricResult:
        limit = int(started.retention.get(result.name, {}).get("limit") or 0)
        most = max(limit if limit > 0 else KEPT_MEASUREMENTS, fresh.get(result.name, 0))
        return replace(result, measurements=result.measurements[-most:])

    return replace(status, metric_results=tuple(map(kept, status.metric_results)))


def _assess(started: Pass, status: RunStatus) -> tuple[RunStatus, str, str]:
    """Return the status with the phase of each metric, and the phase and message of the run."""
    terminating = is_terminating(started.is_terminated, status)
    worst, message = "", "Run Terminated" if started.is_terminated else ""
    everything_completed = True
    counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for metric in started.metrics:
        dry_run = metric.name in started.dry_run
        counts[dry_run]["count"] += 1
        result = status.result(metric.name)
        if result is None:
            everything_completed = False
            continue
        phase = assess_metric(metric, result, terminating=terminating)
        if phase != result.phase:
            last = result.measurements[-1].message if result.measurements else result.message
            result = replace(result, phase=phase, message=last)
        if phase not in COMPLETED:
            everything_completed = False
        else:
            exceeded, reason = _exceeded_limit(metric, result)
            counts[dry_run][(exceeded or SUCCESSFUL).lower()] += 1
            if dry_run:
                worst = worst or SUCCESSFUL
                if reason:
                    result = replace(result, message=f"Metric assessed {phase} due to {reason}")
            elif not worst or WORST_LAST.index(phase) > WORST_LAST.index(worst):
                worst = phase
                if reason:
                    said = f': "Error Message: {result.message}"' if result.message else ""
                    message = f'Metric "{metric.name}" assessed {phase} due to {reason}{said}'
        status = _with_result(status, result)
    status = replace(status, run_summary=Summary(**counts[False]), dry_run_summary=Summary(**counts[True]))
    if terminating:
        return status, worst or SUCCESSFUL, message.strip()
    if not everything_completed or not worst:
        return status, RUNNING, ""
    return status, worst, message.strip()


def assess_metric(metric: Metric, result: MetricResult, *, terminating: bool) -> str:
    """Return the phase of a metric by its measurements so far; ``terminating``: no more of them begin."""
    if result.phase in COMPLETED:
        return result.phase
    if not result.measurements:
        return SUCCESSFUL if terminating else PENDING
    if result.measurements[-1].phase not in COMPLETED:
        return RUNNING
    exceeded, _ = _exceeded_limit(metric, result)
    if exceeded:
        return exceeded
    success_limit = metric.consecutive_success_limit or 0
    if success_limit > 0 and result.consecutive_success >= success_limit:
        return SUCCESSFUL
    if metric.effective_count is not None and result.count >= metric.effective_count:
        if success_limit > 0:
            return INCONCLUSIVE if (metric.failure_limit or 0) >= 0 else FAILED
        return SUCCESSFUL
    return SUCCESSFUL if terminating else RUNNING


def _exceeded_limit(metric: Metric, result: MetricResult) -> tuple[str, str]:
    """Return the phase of the last limit that is exceeded, and the words about it; empty if none is."""
    found = "", ""
    failure_limit, inconclusive_limit = metric.failure_limit or 0, metric.inconclusive_limit or 0
    if 0 <= failure_limit < result.failed:
        found = FAILED, f"failed ({result.failed}) > failureLimit ({failure_limit})"
    if result.inconclusive > inconclusive_limit:
        found = INCONCLUSIVE, f"inconclusive ({result.inconclusive}) > inconclusiveLimit ({inconclusive_limit})"
    limit = metric.consecutive_error_limit
    limit = CONSECUTIVE_ERROR_LIMIT if limit is None else limit
    if result.consecutive_error > limit:
        found = ERROR, f"consecutiveErrors ({result.consecutive_error}) > consecutiveErrorLimit ({limit})"
    return found


def next_pass(started: Pass, status: RunStatus, now: datetime) -> datetime | None:
    """Return when to look at the run again if nothing else happens; None if only an event can move it."""
    moments = []
    for metric in started.metrics:
        result = status.result(metric.name)
        if result is not None and result.phase in COMPLETED:
            continue
        last = result.measurements[-1] if result is not None and result.measurements else None
        if last is None or result is None:
            if metric.initial_delay:
                moments.append((status.started_at or now) + duration(metric.initial_delay))
        elif last.finished_at is None:
            moments += [last.resume_at] if last.resume_at is not None else []
        elif last.phase == ERROR or metric.interval:
            at = _due_at(metric, result, last, status, now)
            moments += [at] if at is not None else []
    return min(moments, default=None)


def is_expired(ttl_strategy: Body | None, status: RunStatus, now: datetime) -> bool:
    """Return whether a run that is over has outlived its ``ttlStrategy``, and the controller deletes it."""
    if not status.is_completed or ttl_strategy is None or status.completed_at is None:
        return False
    seconds = None
    if status.phase in (SUCCESSFUL, FAILED):
        seconds = ttl_strategy.get("secondsAfterSuccess" if status.phase == SUCCESSFUL else "secondsAfterFailure")
    if seconds is None:
        seconds = ttl_strategy.get("secondsAfterCompletion")
    return seconds is not None and int((now - status.completed_at).total_seconds()) > seconds


def is_equal(left: RunSpec, right: RunSpec) -> bool:
    """Return whether two runs measure the same: metrics, arguments, and the rules for them."""
    return replace(left, terminate=False) == replace(right, terminate=False)
