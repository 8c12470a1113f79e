"""Services and the ReplicaSets that they select (``rollout/service.go``, ``trafficrouting/service_helper.go``)."""

from __future__ import annotations

from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey, field_path
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.replica_counts import new_rs_replicas
from renderer.rollouts.controller.revisions import is_dynamically_rolling_back_to_stable
from renderer.rollouts.model.corrections import PING_PONG_SERVICES
from renderer.rollouts.model.rollout import HASH_LABEL, MANAGED_BY_ANNOTATION, ReplicaSet, Rollout
from renderer.rollouts.model.spec import CANARY
from renderer.rollouts.model.status import RolloutStatus


def service(ctx: Context, name: str, *path: str | int) -> Body:
    """Return a Service by name; raise ``RollstepError`` if missing, with the field ``path`` that names it."""
    body = ctx.world.service(name)
    if body is None:
        message = f'Service "{name}" not found'
        raise RollstepError([Finding("", 0, 0, field_path(path), message, "add the Service to the app's manifests")])
    return body


def selected_hash(body: Body | None) -> str:
    """Return the pod-template-hash that a Service selects; empty without one."""
    if body is None:
        return ""
    return str(((body.get("spec") or {}).get("selector") or {}).get(HASH_LABEL, ""))


def switch_service(ctx: Context, name: str, pod_template_hash: str, *path: str | int) -> None:
    """Set the pod-template-hash in a Service's selector, and its managed-by annotation."""
    body = service(ctx, name, *path)
    metadata = dict(body.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    managed = MANAGED_BY_ANNOTATION in annotations
    spec = dict(body.get("spec") or {})
    selector = dict(spec.get("selector") or {})
    if selector.get(HASH_LABEL) == pod_template_hash and managed:
        return
    patch: dict[str, Any] = {}
    if not managed:
        annotations[MANAGED_BY_ANNOTATION] = ctx.rollout.name
        metadata["annotations"] = annotations
        patch["metadata"] = {"annotations": {MANAGED_BY_ANNOTATION: ctx.rollout.name}}
    selector[HASH_LABEL] = pod_template_hash
    spec["selector"] = selector
    patch["spec"] = {"selector": {HASH_LABEL: pod_template_hash}}
    key = ObjectKey("", "Service", ctx.rollout.namespace, name)
    ctx.patch_object(key, patch, {**body, "metadata": metadata, "spec": spec})


def ensure_service_targets(
    ctx: Context, name: str, rs: ReplicaSet | None, *path: str | int, check_availability: bool = True
) -> None:
    """Switch a Service to a ReplicaSet that has available pods.

    A managed Service requires one available pod, another one all of them.
    """
    if rs is None or not name:
        return
    body = service(ctx, name, *path)
    if selected_hash(body) == rs.pod_template_hash:
        return
    if check_availability:
        managed = MANAGED_BY_ANNOTATION in ((body.get("metadata") or {}).get("annotations") or {})
        fully_available = 0 < rs.replicas <= rs.available_replicas
        if (not managed and not fully_available) or rs.available_replicas <= 0:
            return
    switch_service(ctx, name, rs.pod_template_hash, *path)


def reconcile_ping_and_pong_service(ctx: Context) -> None:
    """Switch the current canary Service of a ping-pong pair to the new ReplicaSet.

    The controller takes for granted that a promotion has left the other one at the stable ReplicaSet.  A pair that
    replaces other Services was never there; with the correction the other one is switched as well.
    """
    if ctx.canary.ping_pong is None:
        return
    stable, canary = stable_and_canary_services(ctx.rollout, ctx.status, prefer_ping_pong=True)
    if ctx.corrects(PING_PONG_SERVICES):
        ensure_service_targets(ctx, stable, ctx.stable_rs, *CANARY, "pingPong")
    if not ctx.is_fully_promoted:
        ensure_service_targets(ctx, canary, ctx.new_rs, *CANARY, "pingPong", check_availability=False)


def reconcile_stable_and_canary_service(ctx: Context) -> None:
    """Switch the stable and the canary Service to their ReplicaSets."""
    canary = ctx.canary
    ensure_service_targets(ctx, canary.stable_service, ctx.stable_rs, *CANARY, "stableService")
    if ctx.pause.is_aborted and canary.traffic_routing is None:
        ensure_service_targets(ctx, canary.canary_service, ctx.stable_rs, *CANARY, "canaryService")
        return
    if is_dynamically_rolling_back_to_stable(ctx):
        # The stable ReplicaSet is too small for all of the traffic.
        return
    ensure_service_targets(ctx, canary.canary_service, ctx.new_rs, *CANARY, "canaryService")


def ready_for_pause(ctx: Context, new_rs: ReplicaSet) -> bool:
    """Return whether the preview has all its pods, available."""
    wanted = new_rs_replicas(ctx, new_rs, None)
    return new_rs.replicas == wanted == new_rs.available_replicas


PING, PONG = "ping", "pong"


def stable_and_canary_services(rollout: Rollout, status: RolloutStatus, *, prefer_ping_pong: bool) -> tuple[str, str]:
    """Return (stable Service, canary Service).

    Of a Rollout with ping-pong and plain Services, the ping-pong pair is returned with ``prefer_ping_pong`` only (the
    ALB router).
    """
    canary = rollout.canary
    assert canary is not None
    plain = canary.stable_service, canary.canary_service
    if canary.ping_pong is None or (not prefer_ping_pong and plain != ("", "")):
        return plain
    ping, pong = str(canary.ping_pong.get("pingService", "")), str(canary.ping_pong.get("pongService", ""))
    return (ping, pong) if status.canary.stable_ping_pong == PING else (pong, ping)


def next_turn(rollout: Rollout, status: RolloutStatus) -> str:
    """Return the ping-pong Service that is stable after a promotion, as ``ping`` or ``pong``; empty without them."""
    if rollout.canary is None or rollout.canary.ping_pong is None:
        return status.canary.stable_ping_pong
    return PONG if status.canary.stable_ping_pong == PING else PING
