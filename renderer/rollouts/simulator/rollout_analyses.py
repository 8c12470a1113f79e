"""The analyses of a simulated Rollout: its AnalysisRuns measure scripted answers, and their results reach its status.

The runs are those of ``rollout/analysis.go``: of a step, in the background, before and after a promotion; and those of
an experiment (``experiments/experiment.go``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, Manifest
from renderer.kubernetes.times import format_time
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import RunSpec, RunStatus, begin, finish, next_pass
from renderer.rollouts.controller.analysis_runs import (
    BLUE_GREEN_RUNS,
    CANARY_RUNS,
    EXPERIMENT,
    OpenRun,
    open_runs,
    spec_of_run,
    template_lookup,
    with_result,
)
from renderer.rollouts.model.strategy_status import AnalysisRunStatus
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.analysis_runs import STORED, Answer, Answers

MAX_PASSES = 200
"""The passes of one run before it counts as one that waits: its metrics have no end."""


class _Run:
    """A run that began: its status, the time of its next pass, and how many it had.

    One that ``waits`` has no end, and goes on with other answers only.
    """

    def __init__(self, spec: RunSpec, now: datetime) -> None:
        self.spec, self.status = spec, RunStatus()
        self.now: datetime | None = now
        self.passes, self.waits = 0, False

    def advance(self, answers: Answers) -> None:
        """Make the next pass; one that waits for ever has none."""
        assert self.now is not None
        started = begin(self.spec, self.status, {}, self.now)
        before, self.status = self.status, finish(started, list(map(answers.measure, started.tasks)), self.now)
        self.passes += 1
        following = self.now if self.status != before else next_pass(started, self.status, self.now)
        self.waits = not self.status.is_completed and (following is None or self.passes >= MAX_PASSES)
        is_over = self.status.is_completed or self.waits or following is None
        self.now = None if is_over or following is None else max(following, self.now) + STORED


class RolloutAnalyses:
    """The AnalysisRuns of a Rollout, with the templates and answers of its scenario."""

    def __init__(self, manifests: Sequence[Manifest], responses: Mapping[str, Sequence[Answer]]) -> None:
        self.answers = Answers(responses)
        self.runs: dict[str, _Run] = {}
        self.templates: dict[tuple[str, bool], Body] = {
            (str(item.body["metadata"]["name"]), item.kind == "ClusterAnalysisTemplate"): item.body
            for item in manifests
            if item.kind in ("AnalysisTemplate", "ClusterAnalysisTemplate")
        }

    def answer(self, responses: Mapping[str, Sequence[Answer]], now: datetime) -> None:
        """Answer otherwise from ``now`` on (the action ``metric``)."""
        for name, answers in responses.items():
            self.answers.responses[name] = answers
            self.answers.given.pop(name, None)
        for run in self.runs.values():
            if run.waits:
                run.now, run.waits, run.passes = now, False, 0

    def measure(self, world: World) -> World:
        """Return the world with the result of the running analysis that ends first; the same world if none ends."""
        found = open_runs(world)
        for name in self.runs.keys() - {run.name for run in found}:
            self.runs[name].now = None  # The Rollout has terminated it.
        for item in found:
            name = item.name
            if name in self.runs and self.runs[name].now is None and not self.runs[name].waits:
                # A run that is over keeps its name; the next one gets a number, as in the cluster.
                number = next(number for number in count(1) if f"{name}.{number}" not in self.runs)
                return _recorded(world, item.field, AnalysisRunStatus(f"{name}.{number}", "Running"))
        running = {item.name: self._run(world, item) for item in found}
        while pending := [run for run in running.values() if run is not None and run.now is not None]:
            min(pending, key=_moment).advance(self.answers)
            for item in found:
                run = running[item.name]
                if run is not None and run.status.is_completed:
                    result = AnalysisRunStatus(item.name, run.status.phase, run.status.message)
                    return _recorded(world, item.field, result)
        return world

    def _run(self, world: World, open_run: OpenRun) -> _Run | None:
        name = open_run.name
        if name not in self.runs:
            try:
                spec = spec_of_run(world.rollout, world.status, open_run.analysis, template_lookup(self.templates))
            except InvalidAnalysisError:
                return None  # The controller's pass fails, and no run is created.
            self.runs[name] = _Run(spec, world.now)
        return self.runs[name]


def with_analysis_runs(world: World, before: World) -> World:
    """Return the world with the runs that it had before."""
    status = world.status
    for field in (*CANARY_RUNS, *BLUE_GREEN_RUNS):
        part = before.status.canary if field in CANARY_RUNS else before.status.blue_green
        status = with_result(status, field, getattr(part, field))
    return replace(world, status=status)


def _moment(run: _Run) -> datetime:
    assert run.now is not None
    return run.now


def _recorded(world: World, field: str, run: AnalysisRunStatus) -> World:
    if field == EXPERIMENT:
        status = {"phase": run.status, "message": run.message, "startedAt": format_time(world.now)}
        kept = (other for other in world.analysis_runs if other["metadata"]["name"] != run.name)
        return replace(world, analysis_runs=(*kept, {"metadata": {"name": run.name}, "status": status}))
    return replace(world, status=with_result(world.status, field, run))
