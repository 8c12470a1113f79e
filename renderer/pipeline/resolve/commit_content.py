"""The parts of a world that a commit holds: the rendered objects, and the state in ``status.yaml``."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.load.status_file import ReachedStep, State, stored_status
from renderer.pipeline.resolve.autoscaling import is_autoscaled
from renderer.rollouts.controller.workload import workload_key
from renderer.rollouts.model.world import World


def rendered(world: World) -> dict[ObjectKey, Body]:
    """Return the rendered objects of a world: its ReplicaSets, and the objects that the release edits or creates.

    The workload of ``workloadRef`` is left out: the selector of its Deployment matches the release's ReplicaSets, so
    the Deployment controller would adopt them and scale them down.
    """
    bodies: dict[ObjectKey, Body] = {rs.key: rs.to_body() for rs in world.replica_sets}
    workload = workload_key(world.rollout)
    return bodies | {key: body for key, body in world.objects.items() if key != workload}


def differs(before: World, after: World) -> bool:
    """Return whether two worlds differ in what a commit holds: a rendered object, the status, the Rollout, a run."""
    return (
        rendered(before) != rendered(after)
        or stored_status(before.status) != stored_status(after.status)
        or before.rollout.body != after.rollout.body
        or before.analysis_runs != after.analysis_runs
    )


def next_state(previous: State | None, world: World) -> State:
    """Return the state of ``world`` at ``world.now``; ``previous`` is the last commit's, None before the first."""
    revision = world.rollout.revision
    index = world.status.current_step_index or 0
    steps = tuple(step for step in previous.steps if step.revision == revision) if previous else ()
    if not steps or steps[-1].step != index:
        steps = (*steps, ReachedStep(revision, index, world.now))
    return State(
        rollout=world.rollout.name,
        revision=revision,
        last_update_time=world.now,
        status=world.status,
        steps=steps,
        created={rs.name: rs.created for rs in world.replica_sets},
        available={rs.name: rs.available_replicas for rs in world.replica_sets if rs.available_replicas != rs.replicas},
        replicas=autoscaled_replicas(world),
        phase=world.phase if world.in_phases else "",
        phase_left=world.phase_left if world.in_phases else "",
        waves=world.waves if world.order == "waves" else {},
    )


def autoscaled_replicas(world: World) -> dict[str, int]:
    """Return the replicas of each autoscaled ReplicaSet by name, since its rendered manifest has none."""
    return {rs.name: rs.replicas for rs in world.replica_sets if is_autoscaled(world, rs)}
