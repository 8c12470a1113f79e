"""A release that was measured: its runs and their results in its world, and the moves that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body
from renderer.pipeline.resolve.moves import Move, gate_of, react
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts.analysis.arguments import PLACEHOLDER
from renderer.rollouts.analysis.documents import run_document, spec_document, status_of_run
from renderer.rollouts.analysis.evaluate import ERROR, FAILED, INCONCLUSIVE
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import RUNNING, RunSpec, RunStatus, begin, finish, run_spec_of
from renderer.rollouts.analysis.templates import Lookup
from renderer.rollouts.controller.analysis_runs import (
    BACKGROUND,
    EXPERIMENT,
    OpenRun,
    open_runs,
    runs_of,
    spec_of_run,
    with_result,
)
from renderer.rollouts.controller.gates import BACKGROUND_ANALYSIS
from renderer.rollouts.model.strategy_status import AnalysisRunStatus
from renderer.rollouts.model.world import World

BAD = (FAILED, ERROR, INCONCLUSIVE)
"""The results after which a release does not go on."""
MANY = 10
"""So many measurements are worth a commit."""

Secrets = Mapping[str, Mapping[str, str]]


class Measured(Struct, frozen=True):
    """A release's world with the measurements and results of its runs; ``before`` is the world without them.

    ``next_look`` is the moment of the next measurement, None if none is known.  ``fresh`` is the number of
    measurements, and ``can_ask_again`` tells that all of them are of time series.
    """

    before: World
    after: World
    next_look: datetime | None = None
    fresh: int = 0
    can_ask_again: bool = False

    @property
    def can_wait(self) -> bool:
        """True if a run that measures again soon need not keep this: no result, and little to ask for again."""
        return self.can_ask_again and self.fresh < MANY and not self.verdicts

    @property
    def is_behind(self) -> bool:
        """True if there were too many moments to measure at once, and more are left."""
        return self.next_look is not None and self.next_look <= self.before.now

    @property
    def opens_gate(self) -> bool:
        """True if the release waited for one of the results, and goes on."""
        gate, over = gate_of(self.before), {name for name, _ in self.verdicts}
        fields = {field for field, run in runs_of(self.after.status) if run.name in over}
        # Those of an experiment are in no field of the status.
        fields |= {EXPERIMENT} if over - {run.name for _, run in runs_of(self.after.status)} else set()
        return not self.is_bad and bool(fields - ({BACKGROUND} if gate != BACKGROUND_ANALYSIS else set()))

    @property
    def is_changed(self) -> bool:
        """True if something was measured."""
        return self.before.analysis_runs != self.after.analysis_runs

    @property
    def verdicts(self) -> tuple[tuple[str, RunStatus], ...]:
        """The runs that are over since, with their statuses."""
        return verdicts_between(self.before.analysis_runs, self.after.analysis_runs)

    @property
    def is_bad(self) -> bool:
        """True if a run has a result after which the release does not go on."""
        return any(status.phase in BAD for _, status in self.verdicts)


def runs_to_measure(world: World, lookup: Lookup) -> Iterator[tuple[OpenRun, Body]]:
    """Yield the open runs of the running release, each with its AnalysisRun: the one that is there, or a new one.

    A run that is over keeps its name: the next one of that name gets a number, as in the controller.  Raises
    ``InvalidAnalysisError`` where the controller makes no run, such as for a missing template.
    """
    running = with_running_template(world)
    known = {run["metadata"]["name"]: run for run in world.analysis_runs}
    for run in open_runs(running):
        if run.name in known and not status_of_run(known[run.name]).is_completed:
            yield run, known[run.name]
            continue
        if run.name in known:
            names = (f"{run.name}.{number}" for number in count(1))
            run = replace(run, name=next(name for name in names if name not in known))
        spec = spec_document(spec_of_run(running.rollout, running.status, run.analysis, lookup))
        yield run, run_document(run.name, running.rollout.namespace, spec, RunStatus())


def with_run(world: World, run: OpenRun, document: Body, status: RunStatus) -> World:
    """Return the world with an AnalysisRun's status, and with its result where it is over."""
    metadata = document["metadata"]
    changed = run_document(run.name, metadata.get("namespace", ""), document["spec"], status)
    names = [other["metadata"]["name"] for other in world.analysis_runs]
    runs = [*world.analysis_runs]
    if run.name in names:
        runs[names.index(run.name)] = changed
    else:
        runs.append(changed)
    world = replace(world, analysis_runs=tuple(runs))
    is_named = run.field == EXPERIMENT or any(other.name == run.name for _, other in runs_of(world.status))
    if is_named and not status.is_completed:
        return world
    result = AnalysisRunStatus(run.name, status.phase if status.is_completed else RUNNING, status.message)
    return replace(world, status=with_result(world.status, run.field, result))


def verdict_move(measured: Measured) -> Move:
    """Return the move after a result that stops the release: the controller aborts it, or pauses it.

    It acts on the running release, whatever version waits in the sources.
    """
    world = with_running_template(measured.after)
    return replace(react(world, since=world), before=measured.before)


def recording_move(measured: Measured) -> Move:
    """Return the move that only keeps what was measured."""
    return Move(measured.before, measured.after, ())


def analyze(world: World, recorded: World) -> Move | None:
    """Return the move of ``analyze`` from ``world`` to the measurements of ``recorded``; None without any."""
    measured = Measured(world, recorded)
    if not measured.is_changed:
        return None
    return verdict_move(measured) if measured.is_bad else recording_move(measured)


def verdicts_between(before: Sequence[Body], after: Sequence[Body]) -> tuple[tuple[str, RunStatus], ...]:
    """Return the name and the status of each run that is over in ``after`` and was not in ``before``."""
    was_over = {run["metadata"]["name"] for run in before if status_of_run(run).is_completed}
    statuses = ((run["metadata"]["name"], status_of_run(run)) for run in after)
    return tuple((name, status) for name, status in statuses if status.is_completed and name not in was_over)


def terminated(run: Body, now: datetime) -> Body:
    """Return a run that ended for want of a release that waits for it; one that is over stays."""
    status = status_of_run(run)
    if status.is_completed:
        return run
    spec = replace(run_spec_of(run), terminate=True)
    started = replace(begin(spec, status, placeholders(spec), now), tasks=())
    ended = finish(started, (), now)
    metadata = run["metadata"]
    return run_document(metadata["name"], metadata.get("namespace", ""), {**run["spec"], "terminate": True}, ended)


def placeholders(spec: RunSpec) -> Secrets:
    """Return the controller's stand-in for each secret of a run."""
    found: dict[str, dict[str, str]] = {}
    for argument in spec.arguments:
        if argument.secret is not None:
            name, key = argument.secret
            found.setdefault(name, {})[key] = PLACEHOLDER
    return found


def refused(place: str, error: InvalidAnalysisError) -> RollstepError:
    """Return the refusal of an analysis of which the controller makes no run."""
    hint = "correct the analysis, or set `analysis: manual` in rollstep.yaml and promote by hand"
    return RollstepError.at(place, f"the analysis cannot run: {error}", hint)
