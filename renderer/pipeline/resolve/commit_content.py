"""What of a world a commit holds: the objects that are rendered and the status that is kept (pure)."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.load.status_file import stored_status
from renderer.rollouts.controller.workload import workload_key
from renderer.rollouts.model.world import World


def rendered(world: World) -> dict[ObjectKey, Body]:
    """Return the objects of ``world`` that are rendered: ReplicaSets and what the release edits or owns.

    A workload that ``workloadRef`` names is not: without an owner that keeps them apart, the Deployment controller
    would adopt the release's ReplicaSets, whose labels its selector matches, and scale them down.
    """
    bodies: dict[ObjectKey, Body] = {rs.key: rs.to_body() for rs in world.replica_sets}
    workload = workload_key(world.rollout)
    return bodies | {key: body for key, body in world.objects.items() if key != workload}


def moved(before: World, after: World) -> bool:
    """Tell whether a commit would hold anything: a rendered object or the status that is kept in git differs."""
    return (
        rendered(before) != rendered(after)
        or stored_status(before.status) != stored_status(after.status)
        or before.rollout.body != after.rollout.body
    )
