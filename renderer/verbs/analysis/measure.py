"""Measures the analyses of a release that are due, by its providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime

from renderer.errors import Finding, RollstepError, require
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time
from renderer.metric_providers.access import Access, RunReference
from renderer.metric_providers.measure import has_past, measure, read_secrets
from renderer.metric_providers.port_forward import PortForwards
from renderer.pipeline.render.shipped_analyses import shipped_template
from renderer.pipeline.resolve.measured import Measured, placeholders, refused, runs_to_measure, with_run
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts.analysis.arguments import resolve_metric, without_secrets
from renderer.rollouts.analysis.catch_up import CaughtUp, Look, UnansweredError, catch_up
from renderer.rollouts.analysis.documents import status_of_run
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import Measurement, RunStatus, run_spec_of
from renderer.rollouts.analysis.templates import Lookup
from renderer.rollouts.controller.analysis_runs import EXPERIMENT, OpenRun, runs_of
from renderer.verbs.analysis.access import access_of, cannot_run
from renderer.verbs.apps.status_history import StatusHistory, run_began_at


def measure_release(
    history: StatusHistory, release: Release, *, only_past: bool = False, by_pull_request: bool = False
) -> Measured:
    """Return a release with the measurements of its open runs that are due, and with the results of those that end.

    ``only_past`` leaves out what is no query for a moment, which may do more than ask; ``by_pull_request`` refuses it,
    since no commit keeps a measurement.  Raises RollstepError with every metric of the release that cannot be measured
    from here, and as ``StatusHistory.changes``; nothing is asked then.
    """
    world, access = release.world, _access(release)
    rollout = with_running_template(world).rollout
    source, lookup = release.app.rollout.source, lookup_of(world.analysis_templates)
    require(tuple(dict.fromkeys(cannot_run(rollout, world.status, source, access, lookup))))
    looks, measured = list[datetime](), world
    try:
        open_now = list(runs_to_measure(world, lookup))
        if by_pull_request:
            require([found for _, document in open_now for found in _of_the_present(release, document)])
        with ExitStack() as stack:
            meter = _Meter(access, world.now, stack, only_past=only_past)
            for run, document in open_now:
                status = status_of_run(document)
                start = world.now
                if status.started_at is None:
                    start = min(_began_at(history, release, run) or world.now, world.now)
                found = meter.measure(run.name, document, status, start)
                if found.status != status:
                    measured = with_run(measured, run, document, found.status)
                looks += [found.next_look] if found.next_look is not None else []
    except InvalidAnalysisError as error:
        raise refused(release.place, error) from error
    return Measured(world, measured, min(looks, default=None), meter.fresh, meter.can_ask_again)


class _Meter:
    """Measures runs up to ``now``, and counts the measurements; ``can_ask_again``: all of them are of time series.

    ``stack`` ends the port-forwards, which begin where they are needed.
    """

    def __init__(self, access: Access, now: datetime, stack: ExitStack, *, only_past: bool) -> None:
        self._access, self._now, self._only_past = access, now, only_past
        self._forwards = stack.enter_context(PortForwards(access))
        self.fresh, self.can_ask_again = 0, True

    def measure(self, name: str, document: Body, status: RunStatus, start: datetime) -> CaughtUp:
        """Return a run after the passes that are due; raise RollstepError for a Secret without a source."""
        spec = run_spec_of(document)
        references = [argument.secret for argument in spec.arguments if argument.secret is not None]
        secrets = read_secrets(references, self._access) if references else placeholders(spec)
        passes = catch_up(spec, status, secrets, start=start, now=self._now, has_past=has_past)
        try:
            look = next(passes)
            while True:
                if self._only_past and not all(has_past(task.metric) for task in look.tasks):
                    # Another pass at the same moment would have the same tasks.
                    return CaughtUp(status, look.moment)
                look = passes.send(self._answers(name, look))
        except UnansweredError as error:
            moment = format_time(error.moment)
            message = f"{name}: the provider of {error.metric} has no answer for {moment}, but one for now"
            raise RollstepError(message, hint="nothing was kept: measure again") from error
        except StopIteration as stop:
            result: CaughtUp = stop.value
            return result

    def _answers(self, name: str, look: Look) -> list[Measurement | None]:
        """Return a measurement of each task, None for a moment of the past where the provider has no answer now."""
        unanswered = set[str]()
        reference = RunReference(name=name, status=look.status)
        taken = measure(
            look.tasks,
            look.moment,
            self._access,
            reference,
            terminates=look.terminates,
            unanswered=unanswered,
            forwards=self._forwards,
        )
        self.fresh += len(taken)
        self.can_ask_again = self.can_ask_again and all(has_past(task.metric) for task in look.tasks)
        left = unanswered if look.moment < self._now else ()
        return [None if task.metric.name in left else item for task, item in zip(look.tasks, taken, strict=True)]


def _of_the_present(release: Release, document: Body) -> Iterator[Finding]:
    """Yield the metrics of a run that know the present only."""
    spec = run_spec_of(document)
    for body in spec.metrics:
        metric = resolve_metric(body, without_secrets(spec.arguments))
        if not has_past(metric):
            message = f"the metric {metric.name} knows the present only, and a pull request keeps no measurement"
            hint = "commit to the branch (commit.to: branch), or set `analysis: manual` and promote by hand"
            yield Finding(release.place, 0, 0, "", message, hint)


def _began_at(history: StatusHistory, release: Release, run: OpenRun) -> datetime | None:
    """Return when the status with a run reached the branch: under the name that it has there."""
    status = release.world.status
    recorded = {field: found.name for field, found in runs_of(status)} | {EXPERIMENT: status.canary.current_experiment}
    return run_began_at(history, release, recorded[run.field])


def _access(release: Release) -> Access:
    settings, namespace = release.app.settings, release.world.rollout.namespace
    return access_of(settings.analysis, namespace or settings.namespace, release.root)


def lookup_of(own: Mapping[tuple[str, bool], Body]) -> Lookup:
    """Return an app's own templates by name, as ``analysis_templates`` of a world, then those that rollstep ships."""

    def find(name: str, is_cluster: bool) -> Body | None:
        return own.get((name, is_cluster)) or (None if is_cluster else shipped_template(name))

    return find
