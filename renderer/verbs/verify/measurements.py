"""Checks what a commit says that it measured: the runs are made again from the recorded answers, moment by moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from renderer.errors import Finding
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time
from renderer.metric_providers.measure import has_past
from renderer.pipeline.load.status_file import State, stored_status
from renderer.pipeline.resolve.measured import placeholders, runs_to_measure, with_run
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.analysis.catch_up import Look, UnansweredError, catch_up, last_moment
from renderer.rollouts.analysis.documents import status_of_run
from renderer.rollouts.analysis.evaluate import ERROR
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import Measurement, RunSpec, RunStatus, Task, run_spec_of
from renderer.verbs.analysis.measure import lookup_of
from renderer.verbs.analysis.recorded_values import phase_of_value
from renderer.verbs.verify.expected import Replayed

_UNDO = "undo the commit, and let rollstep measure"


def replay_measurements(release: Release, runs: Sequence[Body], state: State, file: str) -> Replayed:
    """Make the passes of a commit again with its own measurements as the answers.

    ``release`` has the runs of the commit before, ``runs`` are those of the commit, whose status is ``state``.  A
    finding is a moment without its measurement, a phase that does not follow from its value, and a start before the
    release began; what else was edited differs from the result.
    """
    documents = {run["metadata"]["name"]: run for run in runs}
    world, findings = release.world, list[Finding]()
    now = _clock(release, documents, state)
    is_measured = False
    try:
        open_now = list(runs_to_measure(world, lookup_of(world.analysis_templates)))
    except InvalidAnalysisError:
        return Replayed()
    for run, before in open_now:
        if run.name not in documents:
            continue
        recorded, status = status_of_run(documents[run.name]), status_of_run(before)
        if not _has_more(recorded, status):
            continue
        is_measured = True
        findings += _early_start(release, run.name, recorded, status, now, file)
        answers = _Answers(run.name, run_spec_of(before), recorded, now, file)
        try:
            world = with_run(world, run, before, answers.status(status))
        except UnansweredError as error:
            findings.append(Finding(file, 0, 0, "", f"{run.name}: {error}", _UNDO))
        findings += answers.findings
    return Replayed(world if is_measured else None, tuple(findings))


class _Answers:
    """The measurements that a run has recorded, by metric and moment."""

    def __init__(self, name: str, spec: RunSpec, recorded: RunStatus, now: datetime, file: str) -> None:
        self._name, self._spec, self._now, self._file = name, spec, now, file
        self._recorded = recorded
        self._answers = {
            (result.name, item.started_at): item for result in recorded.metric_results for item in result.measurements
        }
        self.findings: list[Finding] = []

    def status(self, status: RunStatus) -> RunStatus:
        """Return the status of the run at the time of the commit's run; raise ``UnansweredError``."""
        now = self._now
        start = self._recorded.started_at or now
        passes = catch_up(self._spec, status, placeholders(self._spec), start=start, now=now, has_past=has_past)
        try:
            look = next(passes)
            while True:
                look = passes.send([self._answer(task, look) for task in look.tasks])
        except StopIteration as stop:
            result: RunStatus = stop.value.status
            return result

    def _answer(self, task: Task, look: Look) -> Measurement | None:
        metric = task.metric.name
        begun = task.incomplete.started_at if task.incomplete is not None else look.moment
        found, present = self._answers.get((metric, begun)), self._answers.get((metric, self._now))
        if found is None and look.moment < self._now and present is not None and present.phase == ERROR:
            # The provider had no answer at all.
            return None
        if found is None:
            self._report(metric, look.moment, "is missing, and was due")
            return Measurement(ERROR)
        wanted = phase_of_value(task.metric, found) if not self._has_secrets(task) else found.phase
        if wanted not in ("", found.phase):
            self._report(metric, look.moment, f"is {found.phase}, but {found.value!r} is {wanted} by its conditions")
        # The messages have asterisks already.
        return found

    def _has_secrets(self, task: Task) -> bool:
        """Return whether a condition has a secret, whose value is not in git."""
        body = next(body for body in self._spec.metrics if body.get("name") == task.metric.name)
        names = [argument.name for argument in self._spec.arguments if argument.secret is not None]
        texts = f"{body.get('successCondition')} {body.get('failureCondition')}"
        return any(f"args.{name}" in texts for name in names)

    def _report(self, metric: str, moment: datetime, message: str) -> None:
        text = f"{self._name}: the measurement of {metric} at {format_time(moment)} {message}"
        self.findings.append(Finding(self._file, 0, 0, "", text, _UNDO))


def _clock(release: Release, documents: Mapping[str, Body], state: State) -> datetime:
    """Return the time at which the commit's run measured: that of its move, else that of its last measurement."""
    old = release.state
    if old is None or stored_status(old.status) != stored_status(state.status):
        return state.last_update_time
    times = [moment for run in documents.values() if (moment := last_moment(status_of_run(run))) is not None]
    return max(times, default=state.last_update_time)


def _has_more(recorded: RunStatus, before: RunStatus) -> bool:
    """Return whether a run has recorded something since; a run that was only terminated has not."""
    return _measured_part(recorded) != _measured_part(before)


def _measured_part(status: RunStatus) -> tuple[object, ...]:
    return status.started_at, [(result.name, result.measurements) for result in status.metric_results]


def _early_start(
    release: Release, name: str, recorded: RunStatus, before: RunStatus, now: datetime, file: str
) -> Iterator[Finding]:
    """Yield that a run starts before its revision did, or after the commit's own time."""
    started, state = recorded.started_at, release.state
    if started is None or before.started_at is not None or state is None:
        return
    revision = [step.reached_at for step in state.steps if step.revision == state.revision]
    earliest = min(revision, default=started)
    if not earliest <= started <= now:
        message = (
            f"{name} starts at {format_time(started)}, which is not between {format_time(earliest)} and its commit"
        )
        yield Finding(file, 0, 0, "", message, _UNDO)
