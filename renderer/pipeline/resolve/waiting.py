"""A version that waits: the sources have another pod template than the release that is running.

Only the verbs that begin a revision (``advance``, ``set image``, ``restart``, ``undo``) take it up.  All others act on
the running release, with its own template.
"""

from __future__ import annotations

from msgspec.structs import replace

from renderer.kubernetes.images import version_text
from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.templates import find_new_replica_set, rollout_hash, template_of
from renderer.rollouts.controller.workload import resolve_workload, with_template
from renderer.rollouts.model.rollout import Memo, ReplicaSet, Rollout
from renderer.rollouts.model.world import World


def waiting_version(world: World) -> str:
    """Return the version that waits, as its images show it (``1.2.0``); empty if none waits.

    It is ``another pod template`` if the images are those of the running release.
    """
    running = _running_template(world)
    if running is None:
        return ""
    return version_text(resolve_workload(world).rollout.template, running) or "another pod template"


def with_running_template(world: World) -> World:
    """Return ``world`` with the pod template of the running release; the same world if no other version waits."""
    running, template = _running_replica_set(world), _running_template(world)
    if running is None or template is None:
        return world
    if world.rollout.workload_ref is not None:
        return with_template(world, template)
    body = world.rollout.body
    rollout = Rollout.from_body({**body, "spec": {**body["spec"], "template": template}})
    # The hash is the ReplicaSet's own, whatever defaults its template has.
    known = Memo({(world.status.collision_count, world.controller_version): running.pod_template_hash})
    return replace(world, rollout=replace(rollout, hashes=known))


def _running_template(world: World) -> Body | None:
    """Return the pod template of the running release if the Rollout has another one; None if it has the same."""
    running = _running_replica_set(world)
    if running is None:
        return None
    rollout = resolve_workload(world).rollout
    new_hash = rollout_hash(rollout, world.status.collision_count, world.controller_version)
    found = find_new_replica_set(rollout, new_hash, world.replica_sets, world.corrections)
    # The way back of an aborted release is no version that waits: all traffic is on it already.
    is_back = found is not None and world.status.abort and found.pod_template_hash == world.status.stable_rs
    return None if found is running or is_back else template_of(running, rollout)


def _running_replica_set(world: World) -> ReplicaSet | None:
    """Return the ReplicaSet of the running release; None before the first one.

    A phase may end within a pass of the controller: the ReplicaSet of the new revision is there, and the status does
    not name it yet.
    """
    named = world.replica_set_by_hash(world.status.current_pod_hash)
    if named is None or not world.phase_left:
        return named
    newest = max(world.replica_sets, key=lambda rs: rs.revision)
    return newest if newest.revision == world.rollout.revision else named
