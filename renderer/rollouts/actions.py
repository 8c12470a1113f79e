"""The commands of ``kubectl argo rollouts`` v1.9.1 on a world (``pkg/kubectl-argo-rollouts/cmd``).

Each returns the world before the controller acts (``settle``), and raises ``RollstepError`` in kubectl's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.merge_patch import merge
from renderer.kubernetes.times import format_time
from renderer.rollouts.controller.analysis import SUCCESSFUL
from renderer.rollouts.controller.gates import is_running
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.controller.templates import comparable
from renderer.rollouts.controller.workload import resolve_workload, with_template
from renderer.rollouts.model.rollout import HASH_LABEL, REVISION_ANNOTATION, ReplicaSet, Rollout
from renderer.rollouts.model.strategy_status import AnalysisRunStatus
from renderer.rollouts.model.world import World

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def apply(world: World, body: Body) -> World:
    """Replace the Rollout's manifest (``kubectl apply``).

    The controller's annotations stay; unknown fields are pruned and defaults filled in.
    """
    metadata = dict(body.get("metadata") or {})
    before = world.rollout.annotations
    if REVISION_ANNOTATION in before:
        own = {REVISION_ANNOTATION: before[REVISION_ANNOTATION]}
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
    return _with_body(world, {**body, "metadata": metadata})


def _with_body(world: World, body: Body) -> World:
    from renderer.rollouts.pod_template import default_rollout

    before = world.rollout.body
    metadata = dict(body.get("metadata") or {})
    generation = (before.get("metadata") or {}).get("generation")
    body = default_rollout({**body, "metadata": metadata})
    if generation is not None:
        changed = body.get("spec") != before.get("spec")
        body = {**body, "metadata": {**body["metadata"], "generation": generation + int(changed)}}
    return replace(world, rollout=Rollout.from_body(body))


def _with_status(world: World, **changes: Any) -> World:
    return replace(world, status=replace(world.status, **changes))


def patch(world: World, changes: Body) -> World:
    """Apply a JSON merge patch to the Rollout."""
    return _with_body(world, merge(world.rollout.body, changes))


def patch_object(world: World, kind: str, name: str, changes: Body) -> World:
    """Apply a JSON merge patch to another object; raise ``RollstepError`` for a missing one."""
    for key in sorted(world.objects):
        if (key.kind, key.name) == (kind, name):
            return world.with_object(key, merge(world.objects[key], changes))
    raise RollstepError(f'{kind} "{name}" not found')


def set_image(world: World, container: str, image: str) -> World:
    """Set the image of the containers with a name, ``*`` for all, among init and ephemeral containers as well."""
    world = resolve_workload(world)
    template: Mapping[str, Any] = world.rollout.template
    spec = dict(template.get("spec") or {})
    found = False
    for field in CONTAINER_LISTS:
        if not spec.get(field):
            continue
        matches = [container in ("*", item.get("name")) for item in spec[field]]
        found = found or any(matches)
        spec[field] = [
            {**item, "image": image} if match else item for item, match in zip(spec[field], matches, strict=True)
        ]
    if not found:
        raise RollstepError(f'unable to find container named "{container}"')
    return _with_template(world, {**template, "spec": spec})


def _with_template(world: World, template: Body) -> World:
    if world.rollout.workload_ref is not None:
        return resolve_workload(with_template(world, template))
    body = world.rollout.body
    return _with_body(world, {**body, "spec": {**body["spec"], "template": template}})


def promote(world: World) -> World:
    """End the current pause; without one, skip the current step of a canary.

    Unlike in a cluster, where the AnalysisRun has a result of its own, it records an analysis of a blue-green release
    as successful.
    """
    if world.rollout.paused:
        world = resume(world)
    status = world.status
    if world.rollout.blue_green is not None:
        return _with_status(record_analysis(world, SUCCESSFUL), pause_conditions=())
    run = status.canary.current_step_analysis_run_status
    if status.pause_conditions and status.controller_pause and run is not None and run.status == "Inconclusive":
        return _with_status(skip_step(world), pause_conditions=(), controller_pause=False)
    if status.pause_conditions:
        return _with_status(world, pause_conditions=())
    _, index = current_canary_step(world.rollout, status)
    return world if index is None else _with_status(world, pause_conditions=(), current_step_index=_next(world, index))


def record_analysis(world: World, phase: str, message: str = "") -> World:
    """Record ``Successful``, ``Failed``, ``Error`` or ``Inconclusive`` for the analyses without a result."""

    def recorded(run: AnalysisRunStatus | None) -> AnalysisRunStatus | None:
        is_open = run is not None and (is_running(run) or run.status == "Inconclusive")
        return AnalysisRunStatus(run.name, phase, message) if run is not None and is_open else run

    def with_results(part: Any) -> Any:
        runs = [name for name in part.__struct_fields__ if name.endswith("_run_status")]
        return replace(part, **{name: recorded(getattr(part, name)) for name in runs})

    status = world.status
    return _with_status(world, canary=with_results(status.canary), blue_green=with_results(status.blue_green))


def promote_full(world: World) -> World:
    """Promote fully, without pauses, steps and analysis."""
    if world.rollout.paused:
        world = resume(world)
    is_updating = world.status.current_pod_hash != world.status.stable_rs
    return _with_status(world, promote_full=True) if is_updating else world


def skip_step(world: World) -> World:
    """Skip the current step."""
    if world.rollout.canary is None:
        raise RollstepError("Cannot skip steps of a bluegreen rollout. Run without a flags")
    if not world.rollout.canary.steps:
        raise RollstepError("Cannot skip steps of a rollout without steps")
    _, index = current_canary_step(world.rollout, world.status)
    return world if index is None else _with_status(world, current_step_index=_next(world, index))


def _next(world: World, index: int) -> int:
    assert world.rollout.canary is not None
    return min(index + 1, max(index, len(world.rollout.canary.steps)))


def abort(world: World) -> World:
    """Abort the update: all traffic goes back to the stable ReplicaSet."""
    return _with_status(world, abort=True)


def retry(world: World) -> World:
    """Restart an aborted update from its first step."""
    return _with_status(world, abort=False)


def pause(world: World) -> World:
    """Set ``spec.paused``."""
    return patch(world, {"spec": {"paused": True}})


def resume(world: World) -> World:
    """Clear ``spec.paused``."""
    return patch(world, {"spec": {"paused": False}})


def restart(world: World) -> World:
    """Set ``spec.restartAt`` to now."""
    return patch(world, {"spec": {"restartAt": format_time(world.now)}})


RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart_by_revision(world: World) -> World:
    """Restart all pods by a new revision, with the annotation of ``kubectl rollout restart`` on the pod template.

    ``restart`` requires a controller that evicts pods, and changes no manifest.
    """
    world = resolve_workload(world)
    metadata: Mapping[str, Any] = world.rollout.template.get("metadata") or {}
    annotations = _first(metadata.get("annotations") or {}, RESTARTED_AT, format_time(world.now))
    template = {**world.rollout.template, "metadata": _first(metadata, "annotations", annotations)}
    return _with_template(world, template)


def _first(mapping: Mapping[str, Any], key: str, value: Any) -> Mapping[str, Any]:
    """Return ``mapping`` with a value; a new key comes first, as in an edited manifest."""
    return {**mapping, key: value} if key in mapping else {key: value, **mapping}


def scale(world: World, replicas: int) -> World:
    """Set ``spec.replicas``."""
    if replicas < 0:
        raise RollstepError(f"The new replica count must not be negative, found {replicas}")
    return patch(world, {"spec": {"replicas": replicas}})


def revision_to_undo(world: World, to_revision: int = 0) -> ReplicaSet:
    """Return the ReplicaSet of a revision, of the one before the latest for 0; raise ``RollstepError`` if missing."""
    if to_revision:
        for rs in world.replica_sets:
            if rs.revision == to_revision:
                return rs
        raise RollstepError(f"unable to find specified revision {to_revision} in history")
    ordered = sorted(world.replica_sets, key=lambda rs: (rs.revision, rs.created), reverse=True)
    if len(ordered) < 2:
        raise RollstepError(f'no revision found for rollout "{world.rollout.name}"')
    return ordered[1]


def undo(world: World, to_revision: int = 0) -> World:
    """Set the template of an earlier revision; 0 is the one before the latest.

    Raise ``RollstepError`` for a missing revision, and if the Rollout has its template already.
    """
    world = resolve_workload(world)
    rs = revision_to_undo(world, to_revision)
    metadata = dict(rs.template.get("metadata") or {})
    metadata["labels"] = {name: text for name, text in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    template = {**rs.template, "metadata": metadata}
    if comparable(template) == comparable(world.rollout.template):
        raise RollstepError(f"skipped rollback (current template already matches revision {to_revision})")
    return _with_template(world, template)
