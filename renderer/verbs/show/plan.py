"""The plan of a release: every commit that is still to come (pure).

A plan is the release's own course, run ahead: pauses are promoted and the clock put forward, so its rows are the
commits that ``advance`` makes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.kubernetes.printing import markdown_table, text_table
from renderer.kubernetes.times import human_duration
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.autoscaling import count_text, most_pods, pod_limits
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.describe import last_phase, move_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, steps_of
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.write.output_folder import plan_changes
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.reconcile import with_available_pods
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.spec import CanaryStrategy
from renderer.rollouts.model.world import World
from renderer.verbs.apps.open import open_releases
from renderer.verbs.show.tree import by_revision, camel_keys


class PlannedReplicaSet(Struct, frozen=True):
    """A ReplicaSet in a row of the plan: its replicas, and its share of the traffic out of ``maxTrafficWeight``.

    Where no router splits the traffic, ``weight`` is the share of the pods in percent.  Where an autoscaler sets the
    number of pods, it stays within ``min_replicas`` and ``max_replicas``; else these are None.
    """

    name: str
    roles: tuple[str, ...]
    replicas: int
    weight: int
    min_replicas: int | None = None
    max_replicas: int | None = None

    @property
    def pods(self) -> str:
        """The number of pods for people: ``5``, or ``3-10`` where an autoscaler sets it."""
        return count_text(self.replicas, self.min_replicas, self.max_replicas)


class PlannedStep(Struct, frozen=True):
    """One commit to come.

    ``step`` is ``currentStepIndex`` after the commit (None for blue-green and a canary without steps); ``starts`` and
    ``ends`` tell what has to happen before and after; ``peak_pods`` is the largest number of pods asked for at any
    moment of the step.
    """

    step: int | None
    action: str
    replica_sets: tuple[PlannedReplicaSet, ...]
    starts: str
    ends: str
    peak_pods: int


class Plan(Struct, frozen=True):
    """The commits to come of one release, first to last; none where the release is complete."""

    rollout: str
    strategy: str
    current_step: int | None
    total_steps: int
    max_traffic_weight: int
    peak_pods: int
    is_next: bool
    steps: tuple[PlannedStep, ...]

    @property
    def summary(self) -> str:
        """What the plan is of, in a few words."""
        if not self.steps:
            return "nothing to come"
        count = f"{len(self.steps)} commit{'s' if len(self.steps) > 1 else ''} to come, at most {self.peak_pods} pods"
        return f"no release in progress; for the next one: {count}" if self.is_next else count

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready data, keys in camelCase."""
        data: dict[str, Any] = camel_keys(self)
        return data


def plan_world(world: World) -> Plan:
    """Return the plan of the release in progress; where there is none, that of the next one."""
    plan = make_plan(world)
    return plan if plan.steps or world.status.abort else make_plan(next_release(world), is_next=True)


def next_release(world: World) -> World:
    """Return ``world`` with a pod template that differs in an annotation alone: what any new version looks like."""
    template = world.rollout.template
    metadata = template.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), "rollstep/next": "release"}
    body = world.rollout.body
    changed = {**template, "metadata": {**metadata, "annotations": annotations}}
    rollout = Rollout.from_body({**body, "spec": {**body["spec"], "template": changed}})
    return replace(world, rollout=rollout)


def make_plan(world: World, *, is_next: bool = False) -> Plan:
    """Return the plan of the release that ``world`` is in, from ``world.now`` on."""
    moves = list(course(world))
    rows = []
    for number, (move, reason) in enumerate(moves):
        before = moves[number - 1][0].after if number else world
        following = moves[number + 1][1] if number + 1 < len(moves) else None
        rows.append(_row(number, before, move, reason, following))
    steps = steps_of(world)
    return Plan(
        rollout=world.rollout.name,
        strategy="Canary" if isinstance(world.rollout.strategy, CanaryStrategy) else "BlueGreen",
        current_step=world.status.current_step_index if steps else None,
        total_steps=len(steps),
        max_traffic_weight=max_traffic_weight(world.rollout),
        peak_pods=max((row.peak_pods for row in rows), default=0),
        is_next=is_next,
        steps=tuple(rows),
    )


def after_update(plan: Plan, world: World) -> Plan:
    """Return the plan with a commit first that changes other manifests alone, and moves nothing of ``world``."""
    coming = () if plan.is_next else plan.steps
    pods = sum(most_pods(world, rs.name, rs.replicas) for rs in world.replica_sets) + _experiment_pods(world)
    row = PlannedStep(
        step=world.status.current_step_index if steps_of(world) else None,
        action="manifests updated",
        replica_sets=_planned_sets(world),
        starts="now",
        ends=coming[0].starts if coming else "complete",
        peak_pods=pods,
    )
    peak = max(step.peak_pods for step in (row, *coming))
    return replace(plan, steps=(row, *coming), is_next=False, peak_pods=peak)


def _planned_sets(world: World) -> tuple[PlannedReplicaSet, ...]:
    shown = (rs for rs in by_revision(world.replica_sets) if rs.replicas or roles(world, rs))
    return tuple(_planned(world, rs) for rs in shown)


def _row(number: int, before: World, move: Move, reason: Wait, following: Wait | None) -> PlannedStep:
    after = move.after
    return PlannedStep(
        step=after.status.current_step_index if steps_of(after) else None,
        action=", ".join(part for part in (move_text(move), last_phase(move)) if part),
        replica_sets=_planned_sets(after),
        starts="now"
        if number == 0 and reason == NO_WAIT and with_available_pods(before) == before
        else _trigger(before, reason),
        ends="complete" if following is None else _trigger(move.after, following),
        peak_pods=peak_pods(move),
    )


def _planned(world: World, rs: ReplicaSet) -> PlannedReplicaSet:
    return PlannedReplicaSet(rs.name, roles(world, rs), rs.replicas, traffic_weight(world, rs), *pod_limits(world, rs))


def _trigger(before: World, reason: Wait) -> str:
    """Return what moves the release on from ``before``, where it waits for ``reason``."""
    if reason.until is not None:
        return f"after {human_duration((reason.until - before.now).total_seconds())}"
    if reason.reason:
        return "promote"
    return "live" if before.in_phases and before.phase else "pods are available"


def peak_pods(move: Move) -> int:
    """Return the largest sum of ``spec.replicas`` over all ReplicaSets at any of the move's writes.

    Where autoscalers set the numbers, the sum is that of their maxima.
    """
    world = move.before
    replicas = {rs.name: most_pods(world, rs.name, rs.replicas) for rs in world.replica_sets}
    peak = sum(replicas.values())
    for write in move.writes:
        if write.kind == "ReplicaSet" and write.replicas is not None:
            replicas[write.name] = most_pods(move.after, write.name, write.replicas)
            peak = max(peak, sum(replicas.values()))
    after = sum(most_pods(move.after, rs.name, rs.replicas) for rs in move.after.replica_sets)
    return max(peak, after) + _experiment_pods(move.after)


def _experiment_pods(world: World) -> int:
    return sum(
        body["spec"]["replicas"]
        for key, body in world.objects.items()
        if key.kind == "ReplicaSet" and belongs_to_experiment(body)
    )


HEADER = ("STEP", "ACTION", "STABLE", "CANARY", "OLD", "WEIGHT", "PEAK PODS", "STARTS", "ENDS")
NO_WAIT = Wait("", None)


def plan_text(plan: Plan) -> str:
    """Return the plan as an aligned table."""
    return text_table(_cells(plan))


def plan_markdown(plan: Plan) -> str:
    """Return the plan as a Markdown table."""
    return markdown_table(_cells(plan))


def _cells(plan: Plan) -> list[tuple[str, ...]]:
    newer = "PREVIEW" if plan.strategy == "BlueGreen" else "CANARY"
    rows = [tuple(newer if cell == "CANARY" else cell for cell in HEADER)]
    for step in plan.steps:
        stable = [rs for rs in step.replica_sets if "stable" in rs.roles]
        new = [rs for rs in step.replica_sets if rs.roles and rs not in stable]
        old = [rs for rs in step.replica_sets if not rs.roles]
        rows.append(
            (
                "" if step.step is None else f"{step.step}/{plan.total_steps}",
                step.action,
                _pods(stable),
                _pods(new),
                _pods(old),
                "/".join(str(sum(rs.weight for rs in group)) for group in (stable, new)),
                str(step.peak_pods),
                step.starts,
                step.ends,
            )
        )
    return rows


def _pods(replica_sets: list[PlannedReplicaSet]) -> str:
    return ", ".join(f"{rs.pods} {rs.name.rpartition('-')[2]}" for rs in replica_sets) or "-"


def plan_releases(workspace: Workspace, targets: tuple[str, ...], now: datetime | None) -> list[tuple[AppRef, Plan]]:
    """Return the plan of each named app; raise RollstepError with the findings of all."""
    releases = open_releases(workspace, targets, now or current_time())
    return [(release.app.ref, _plan(release)) for release in releases]


def _plan(release: Release) -> Plan:
    """Return the plan of a release, with the commit before all others that other manifests of the app ask for."""
    world = release.world
    plan = plan_world(world)
    # What moves takes them along.
    if release.state is None or advance(world) is not None:
        return plan
    changes = plan_changes(release.home, render_release(release, world, keep_time=True).files, release.last_render)
    return after_update(plan, world) if changes else plan
