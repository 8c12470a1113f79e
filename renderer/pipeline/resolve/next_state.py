"""TODO."""

from __future__ import annotations

from renderer.pipeline.load.status_file import ReachedStep, State
from renderer.pipeline.resolve.autoscaling import is_autoscaled
from renderer.rollouts.model.world import World


def next_state(previous: State | None, world: World) -> State:
    """Return the state after a release has moved to ``world`` at ``world.now``."""
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
    """Return the numbers of pods that ``world`` counts with and that no manifest has."""
    return {rs.name: rs.replicas for rs in world.replica_sets if is_autoscaled(world, rs)}
