"""The passes over an AnalysisRun that a controller would have made since the last one, at their very moments.

A controller looks at a run whenever a measurement is due; a pipeline runs when it runs.  A provider that has the past
is asked for each moment in between, every other one for the present.  Moments are whole seconds, as in the status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from renderer.rollouts.analysis.evaluate import ERROR
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import (
    Measurement,
    Pass,
    RunSpec,
    RunStatus,
    Task,
    begin,
    finish,
    next_pass,
    trimmed,
)

STORED = timedelta(milliseconds=10)
"""The time by which a pass is later than the moment that it was due, as in the controller."""
ONE_SECOND = timedelta(seconds=1)
MOST_PASSES = 1000
"""The most passes with measurements at once: the next call goes on from there."""


class Look(Struct, frozen=True):
    """A pass that measures: its tasks, and the moment that each asks for.  ``status`` is the run's before it."""

    moment: datetime
    tasks: tuple[Task, ...]
    status: RunStatus
    terminates: bool = False


class UnansweredError(Exception):
    """A provider that has an answer for the present, and had none for an earlier moment of the same call."""

    def __init__(self, metric: str, moment: datetime) -> None:
        """Take the metric's name, and the moment without an answer."""
        super().__init__(f"{metric} was not answered for an earlier moment")
        self.metric, self.moment = metric, moment


class CaughtUp(Struct, frozen=True):
    """The status of a run after the passes up to ``now``; ``next_look`` is the moment of the next one.

    ``next_look`` is None where only an event moves the run, and is not after ``now`` where ``MOST_PASSES`` were made.
    """

    status: RunStatus
    next_look: datetime | None = None


def catch_up(
    spec: RunSpec,
    status: RunStatus,
    secrets: Mapping[str, Mapping[str, str]],
    *,
    start: datetime,
    now: datetime,
    has_past: Callable[[Metric], bool],
) -> Generator[Look, Sequence[Measurement | None], CaughtUp]:
    """Yield each pass that measures, take its measurements, and return the run's status at ``now``.

    ``start`` is the run's start where it had no pass yet.  ``has_past`` tells whether a metric can be measured for a
    moment before ``now``; any other is measured at ``now`` alone.  ``secrets`` is as in ``begin``.  All measurements
    of the call stay in the status, whatever the run keeps of the older ones.

    None in the place of a measurement tells that the provider has no answer now: its fault is no fault of an earlier
    moment.  Such a metric is measured for ``now`` alone, as long as that is an Error as well; raises
    ``UnansweredError`` otherwise.
    """
    moment, taken, fresh = last_moment(status) or start, frozenset[str](), Counter[str]()
    passes, late = 0, dict[str, datetime]()

    def is_asked(metric: Metric) -> bool:
        return has_past(metric) and metric.name not in late

    while moment <= now and not status.is_completed:
        started = begin(spec, status, secrets, moment + STORED)
        if not started.metrics:
            return CaughtUp(started.status)
        tasks = _tasks(started, taken, is_asked, moment == now)
        if tasks and passes == MOST_PASSES:
            return CaughtUp(trimmed(started, status, fresh), moment)
        passes += bool(tasks)
        look = Look(moment, tasks, status, terminates=started.terminates)
        answers = zip(tasks, (yield look) if tasks else (), strict=True)
        pairs = [(task, answer) for task, answer in answers if answer is not None]
        names = [task.metric.name for task, _ in pairs]
        late.update((task.metric.name, moment) for task in tasks if task.metric.name not in (*names, *late))
        _check_late(pairs, late)
        before, tasks = status, tuple(task for task, _ in pairs)
        status = finish(replace(started, tasks=tasks), [answer for _, answer in pairs], moment, keeps_all=True)
        fresh.update(names)
        if status != before:
            # A change of the status is an event, after which the controller looks again.
            taken |= set(names)
            continue
        following = _following(started, status, moment, is_asked)
        if moment == now:
            break
        moment, taken = now if following is None else min(following, now), frozenset()
    started = begin(spec, status, secrets, now)
    return CaughtUp(trimmed(started, status, fresh), None if status.is_completed else _next_look(started, status, now))


def _check_late(pairs: Sequence[tuple[Task, Measurement]], late: Mapping[str, datetime]) -> None:
    for task, answer in pairs:
        if task.metric.name in late and answer.phase != ERROR:
            raise UnansweredError(task.metric.name, late[task.metric.name])


def last_moment(status: RunStatus) -> datetime | None:
    """Return the moment of the last pass that left a trace; None before the first one."""
    times = [time for result in status.metric_results for item in result.measurements for time in _times(item)]
    return max([*times, *([status.started_at] if status.started_at is not None else [])], default=None)


def _times(measurement: Measurement) -> list[datetime]:
    return [time for time in (measurement.started_at, measurement.finished_at) if time is not None]


def _tasks(
    started: Pass, taken: frozenset[str], has_past: Callable[[Metric], bool], is_present: bool
) -> tuple[Task, ...]:
    """Return the tasks of a pass that can be done at its moment; a metric has one measurement a second at most."""
    left = (task for task in started.tasks if task.metric.name not in taken)
    return tuple(task for task in left if is_present or has_past(task.metric))


def _following(
    started: Pass, status: RunStatus, moment: datetime, has_past: Callable[[Metric], bool]
) -> datetime | None:
    """Return the next moment at which a metric with a past is due, in whole seconds."""
    metrics = tuple(metric for metric in started.metrics if has_past(metric))
    following = next_pass(replace(started, metrics=metrics), status, moment)
    return None if following is None else max(_whole(following), moment + ONE_SECOND)


def _next_look(started: Pass, status: RunStatus, now: datetime) -> datetime | None:
    following = next_pass(started, status, now)
    return None if following is None else max(_whole(following), now + ONE_SECOND)


def _whole(moment: datetime) -> datetime:
    """Return the first whole second that is not before a moment."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + ONE_SECOND
