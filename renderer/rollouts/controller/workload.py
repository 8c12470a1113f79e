"""``workloadRef``: the workload with the Rollout's template (``templateref.go``, ``scale_utils.go``)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.kubernetes.pod_defaults import default_pod_template
from renderer.kubernetes.versioned_config import TEMPLATE_PATHS
from renderer.rollouts.controller.context import Context
from renderer.rollouts.model.rollout import Memo, ReplicaSet, Rollout
from renderer.rollouts.model.world import World

FIELD = "spec.workloadRef"
GENERATION_ANNOTATION = "rollout.argoproj.io/workload-generation"
ON_SUCCESS, PROGRESSIVELY = "onsuccess", "progressively"


def workload_key(rollout: Rollout) -> ObjectKey | None:
    """Return the identity of the Rollout's workload; None without ``workloadRef``."""
    reference = rollout.workload_ref
    if reference is None:
        return None
    group, _, version = str(reference.get("apiVersion", "")).rpartition("/")
    kind, name = str(reference.get("kind", "")), str(reference.get("name", ""))
    return ObjectKey(group if version else "", kind, rollout.namespace, name)


def template_path(key: ObjectKey) -> tuple[str, ...]:
    """Return the path of the workload's pod template; raise ``RollstepError`` for an unsupported kind."""
    path = TEMPLATE_PATHS.get((key.group, key.kind))
    if path is None:
        message = f"workload of type {key.group}/{key.kind} is not supported"
        raise RollstepError([Finding("", 0, 0, f"{FIELD}.kind", message, "refer to a Deployment")])
    return path


def workload(world: World) -> tuple[ObjectKey, Body] | None:
    """Return the Rollout's workload; raise ``RollstepError`` if it is missing."""
    key = workload_key(world.rollout)
    if key is None:
        return None
    body = world.objects.get(key)
    if body is None:
        message = f'{key.kind} "{key.name}" not found'
        raise RollstepError([Finding("", 0, 0, FIELD, message, f"add the {key.kind} to the app's manifests")])
    return key, body


def resolve_workload(world: World) -> World:
    """Return the world whose Rollout has its workload's template and, without one of its own, its selector.

    As in the API server, the template has every default of the pod API.
    """
    found = workload(world)
    if found is None:
        return world
    key, body = found
    template: Any = body
    for part in template_path(key):
        template = template.get(part) or {}
    template = default_pod_template(template)
    rollout = world.rollout
    selector = rollout.selector or (body.get("spec") or {}).get("selector") or {}
    if (template, selector) != (rollout.template, rollout.selector):
        rollout = replace(rollout, template=template, selector=selector, hashes=Memo())
    generation = (body.get("metadata") or {}).get("generation")
    if generation is not None and rollout.annotations.get(GENERATION_ANNOTATION) != str(generation):
        rollout = rollout.with_annotation(GENERATION_ANNOTATION, str(generation))
    return world if rollout is world.rollout else replace(world, rollout=rollout)


def with_template(world: World, template: Body) -> World:
    """Return the world whose workload has the pod template."""
    found = workload(world)
    assert found is not None
    key, body = found
    return world.with_object(key, _put(body, template_path(key), template))


def _put(body: Body, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**body, head: _put(body.get(head) or {}, tuple(rest), value) if rest else value}


def scale_workload_on_success(ctx: Context) -> None:
    """Scale the workload to 0 once the first release is healthy (``scaleDown: onsuccess``)."""
    reference = ctx.rollout.workload_ref or {}
    if reference.get("scaleDown") == ON_SUCCESS and ctx.rollout.revision == 1 and ctx.status.phase == "Healthy":
        _scale(ctx, 0)


def scale_workload_progressively(ctx: Context, rs: ReplicaSet, replicas: int) -> None:
    """Scale the workload down as pods of the first release become ready (``scaleDown: progressively``)."""
    reference = ctx.rollout.workload_ref or {}
    if reference.get("scaleDown") != PROGRESSIVELY or rs.revision != 1:
        return
    if ctx.status.phase == "Healthy":
        _scale(ctx, 0)
    elif ctx.status.ready_replicas > 0 or rs.replicas > replicas:
        _scale(ctx, max(0, ctx.rollout.replicas - ctx.status.ready_replicas))


def _scale(ctx: Context, replicas: int) -> None:
    found = workload(ctx.world)
    if found is not None and (found[1].get("spec") or {}).get("replicas", 1) != replicas:
        ctx.update_object(found[0], _put(found[1], ("spec", "replicas"), replicas))
