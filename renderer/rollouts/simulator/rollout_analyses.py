"""The analyses of a simulated Rollout: its AnalysisRuns measure scripted answers, and their results reach its status.

The runs are those of ``rollout/analysis.go``: of a step, in the background, before and after a promotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, Manifest
from renderer.rollouts.analysis.arguments import arguments_from_rollout
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import RunSpec, RunStatus, begin, finish, next_pass
from renderer.rollouts.analysis.templates import run_of_templates
from renderer.rollouts.controller.gates import is_running
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.strategy_status import AnalysisRunStatus
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.analysis_runs import STORED, Answer, Answers

MAX_PASSES = 200
"""The passes of one run before it counts as one that waits: its metrics have no end."""

CANARY_RUNS = ("current_step_analysis_run_status", "current_background_analysis_run_status")
BLUE_GREEN_RUNS = ("pre_promotion_analysis_run_status", "post_promotion_analysis_run_status")


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
        found = _running(world)
        for name in self.runs.keys() - {name for _, name in found}:
            self.runs[name].now = None  # The Rollout has terminated it.
        for field, name in found:
            if name in self.runs and self.runs[name].now is None and not self.runs[name].waits:
                # A run that is over keeps its name; the next one gets a number, as in the cluster.
                number = next(number for number in count(1) if f"{name}.{number}" not in self.runs)
                return _recorded(world, field, AnalysisRunStatus(f"{name}.{number}", "Running"))
        running = {name: self._run(world, field, name) for field, name in found}
        while pending := [run for run in running.values() if run is not None and run.now is not None]:
            min(pending, key=_moment).advance(self.answers)
            for field, name in found:
                run = running[name]
                if run is not None and run.status.is_completed:
                    return _recorded(world, field, AnalysisRunStatus(name, run.status.phase, run.status.message))
        return world

    def _run(self, world: World, field: str, name: str) -> _Run | None:
        if name not in self.runs:
            try:
                spec = self._spec(world, _analysis(world, field))
            except InvalidAnalysisError:
                return None  # The controller's pass fails, and no run is created.
            self.runs[name] = _Run(spec, world.now)
        return self.runs[name]

    def _spec(self, world: World, analysis: Body) -> RunSpec:
        status = world.status
        arguments = arguments_from_rollout(
            analysis.get("args") or (),
            world.rollout.body,
            stable_hash=status.stable_rs,
            latest_hash=status.current_pod_hash,
        )
        return run_of_templates(
            analysis.get("templates") or (),
            lambda name, is_cluster: self.templates.get((name, is_cluster)),
            arguments,
            analysis.get("dryRun") or (),
            analysis.get("measurementRetention") or (),
        )


def with_analysis_runs(world: World, before: World) -> World:
    """Return the world with the runs that it had before."""
    status = world.status
    for field in CANARY_RUNS:
        run = getattr(before.status.canary, field)
        status = replace(status, canary=replace(status.canary, **{field: run}))
    for field in BLUE_GREEN_RUNS:
        run = getattr(before.status.blue_green, field)
        status = replace(status, blue_green=replace(status.blue_green, **{field: run}))
    return replace(world, status=status)


def _moment(run: _Run) -> datetime:
    assert run.now is not None
    return run.now


def _running(world: World) -> list[tuple[str, str]]:
    """Return the field and name of each run without a result."""
    found = []
    for part, fields in ((world.status.canary, CANARY_RUNS), (world.status.blue_green, BLUE_GREEN_RUNS)):
        for field in fields:
            run: AnalysisRunStatus | None = getattr(part, field)
            if run is not None and is_running(run):
                found.append((field, run.name))
    return found


def _analysis(world: World, field: str) -> Body:
    rollout = world.rollout
    body: Body | None = None
    if rollout.blue_green is not None:
        is_first = field == BLUE_GREEN_RUNS[0]
        body = rollout.blue_green.pre_promotion_analysis if is_first else rollout.blue_green.post_promotion_analysis
    elif field == CANARY_RUNS[1]:
        body = rollout.canary.analysis if rollout.canary is not None else None
    else:
        step, _ = current_canary_step(rollout, world.status)
        body = step.body[step.kind] if step is not None else None
    return body or {}


def _recorded(world: World, field: str, run: AnalysisRunStatus) -> World:
    status = world.status
    if field in CANARY_RUNS:
        changed: Any = replace(status, canary=replace(status.canary, **{field: run}))
    else:
        changed = replace(status, blue_green=replace(status.blue_green, **{field: run}))
    return replace(world, status=changed)
