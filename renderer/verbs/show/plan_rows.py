"""The rows of a plan: the last commit, the steps before it, and the commits to come."""

from __future__ import annotations

from renderer.errors import RollstepError
from renderer.kubernetes.times import human_duration
from renderer.pipeline.resolve.autoscaling import most_pods, pod_limits
from renderer.pipeline.resolve.course import NO_WAIT, course
from renderer.pipeline.resolve.describe import is_promoted, last_phase, move_text, version_of
from renderer.pipeline.resolve.moves import Move, Wait, at_step, steps_of, wait
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts import actions
from renderer.rollouts.controller.experiment import TEMPLATE_ANNOTATION, belongs_to_experiment
from renderer.rollouts.controller.gates import gate_names, open_gate
from renderer.rollouts.controller.reconcile import with_available_pods
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.world import World
from renderer.verbs.show.planned import EXPERIMENT, PlannedReplicaSet, PlannedStep
from renderer.verbs.show.tree import by_revision

NEXT = "rollstep/next"
"""The annotation of the pod template of a release that nobody has made yet."""


def peak_pods(move: Move) -> int:
    """Return the largest sum of ``spec.replicas`` over all ReplicaSets after any of the move's writes.

    With autoscalers the sum is that of their maxima.
    """
    replicas = {rs.name: most_pods(move.before, rs.name, rs.replicas) for rs in move.before.replica_sets}
    peak = sum(replicas.values())
    for write in move.writes:
        if write.kind == "ReplicaSet" and write.replicas is not None:
            replicas[write.name] = most_pods(move.after, write.name, write.replicas)
            peak = max(peak, sum(replicas.values()))
    after = sum(most_pods(move.after, rs.name, rs.replicas) for rs in move.after.replica_sets)
    return max(peak, after) + sum(rs.replicas for rs in _of_experiment(move.after))


def rows_to_come(world: World) -> tuple[PlannedStep, ...]:
    """Return a row for each commit from ``world.now`` to the end of the release."""
    moves = list(course(world))
    befores = [world, *(move.after for move, _ in moves)]
    starts = [_trigger(before, reason) for before, (_, reason) in zip(befores, moves, strict=False)]
    ends = [*starts[1:], "complete"]
    if moves and moves[0][1] == NO_WAIT and with_available_pods(world) == world:
        starts[0] = "now"
    rows = []
    for (move, _), start, end in zip(moves, starts, ends, strict=False):
        action = ", ".join(part for part in (move_text(move), last_phase(move)) if part)
        rows.append(row_of(move, action, start, end))
    return tuple(rows)


def row_of(move: Move, action: str, starts: str, ends: str) -> PlannedStep:
    """Return the row of the commit of ``move``."""
    world = move.after
    rollout, status, reason = world.rollout, world.status, wait(world).reason
    return PlannedStep(
        current_step_index=(world.status.current_step_index or 0) if steps_of(world) else None,
        action=action,
        replica_sets=(
            *(_planned(world, rs) for rs in by_revision(world.replica_sets) if rs.replicas or roles(world, rs)),
            *_of_experiment(world),
        ),
        starts=starts,
        ends=ends,
        peak_pods=peak_pods(move),
        phase=last_phase(move),
        reason=reason,
        gates=gate_names(rollout, status, reason) if reason and reason == open_gate(rollout, status) else (),
    )


def row_now(world: World, commits: tuple[PlannedStep, ...]) -> PlannedStep | None:
    """Return the row of the last commit, which ends with the start of the next one; None before the first release."""
    if not world.replica_sets:
        return None
    return row_of(Move(world, world, ()), "", "", commits[0].starts if commits else "complete")


def rows_done(world: World, now: PlannedStep | None) -> tuple[PlannedStep, ...]:
    """Return the rows of the steps of the release before ``now``; none where no release is in progress."""
    status, steps = world.status, steps_of(world)
    if now is None or status.abort or is_promoted(world) or waiting_version(world):
        return ()
    running = actions.resume(world) if world.rollout.paused else world
    rows: list[PlannedStep] = []
    for index, step in enumerate(steps[: status.current_step_index or 0]):
        try:
            after = at_step(running, index)
        except RollstepError:
            # The steps have been edited since.
            return ()
        row = row_of(Move(after, after, ()), str(step), "", "")
        if not rows or row.replica_sets != rows[-1].replica_sets:
            rows.append(row)
    return tuple(row for row in rows if row.replica_sets != now.replica_sets)


def _planned(world: World, replica_set: ReplicaSet) -> PlannedReplicaSet:
    name, version, weight = replica_set.name, _version(world, replica_set), traffic_weight(world, replica_set)
    limits = pod_limits(world, replica_set)
    return PlannedReplicaSet(name, version, roles(world, replica_set), replica_set.replicas, weight, *limits)


def _version(world: World, replica_set: ReplicaSet) -> str:
    annotations = (replica_set.template.get("metadata") or {}).get("annotations") or {}
    return "next" if NEXT in annotations else version_of(world, replica_set)


def _trigger(before: World, reason: Wait) -> str:
    """Return the condition on which the release goes on from ``before``, where it waits for ``reason``."""
    if reason.until is not None:
        return f"after {human_duration((reason.until - before.now).total_seconds())}"
    if reason.reason:
        return "promote"
    return "live" if before.in_phases and before.phase else "pods are available"


def _of_experiment(world: World) -> list[PlannedReplicaSet]:
    """Return the ReplicaSets of the current experiment, each with the name of its template as the version.

    The weight of one with the hash of another ReplicaSet is in the weight of that.
    """
    weights = world.status.canary.weights
    hashes = {rs.pod_template_hash for rs in world.replica_sets}
    found = []
    for key, body in sorted(world.objects.items()):
        if key.kind == "ReplicaSet" and belongs_to_experiment(body):
            replica_set = ReplicaSet.from_body(body)
            mine = replica_set.pod_template_hash
            additional = weights.additional if weights is not None and mine not in hashes else ()
            weight = sum(item.weight for item in additional if item.pod_template_hash == mine)
            version = str(replica_set.annotations[TEMPLATE_ANNOTATION])
            found.append(PlannedReplicaSet(key.name, version, (EXPERIMENT,), replica_set.replicas, weight))
    return found
