"""Scale-down of ReplicaSets neither new nor stable (``rollout/canary.go``, ``bluegreen.go``, ``replicaset.go``)."""

from __future__ import annotations

from renderer.rollouts.controller.analysis import INCONCLUSIVE, keeps_old_replica_sets
from renderer.rollouts.controller.context import ConflictError, Context, by_revision, hash_of
from renderer.rollouts.controller.defaults import scale_down_delay_revision_limit, scale_down_delay_seconds
from renderer.rollouts.controller.replica_math import max_unavailable, total_available, total_replicas
from renderer.rollouts.controller.replica_sets import add_scale_down_delay, scale
from renderer.rollouts.controller.routers import routers_of
from renderer.rollouts.controller.services import selected_hash
from renderer.rollouts.model.corrections import ZERO_SCALE_DOWN_DELAY
from renderer.rollouts.model.rollout import ReplicaSet


def reconcile_other_replica_sets(ctx: Context) -> bool:
    """Scale down ReplicaSets that are neither new nor stable; return whether any replicas changed."""
    others = [rs for rs in ctx.other_rss if rs.replicas > 0]
    if total_replicas(others) == 0:
        return False
    try:
        if ctx.rollout.canary is not None:
            return _scale_down_old_for_canary(ctx, others)
        return _scale_down_old_for_blue_green(ctx, others)
    except ConflictError:
        # The controller swallows errors here and goes on with its pass.
        return False


def _scale_down_old_for_canary(ctx: Context, others: list[ReplicaSet]) -> bool:
    others, scaled = _clean_up_unhealthy(ctx, others)
    canary = ctx.canary
    spare = total_available(ctx.all_rss) - (ctx.rollout.replicas - max_unavailable(ctx.rollout))
    if spare <= 0:
        return False
    annotated = 0
    for rs in by_revision(others):
        if canary.traffic_routing is not None and is_referenced(ctx, rs):
            continue
        if spare <= 0:
            break
        if rs.replicas == 0:
            continue
        wanted = 0
        if canary.traffic_routing is None:
            wanted = max(0, rs.replicas - spare)
        elif (ctx.is_fully_promoted or rs.has_scale_down_deadline) and not canary.dynamic_stable_scale:
            annotated, wanted = _scale_down_delay(ctx, rs, annotated, rs.replicas)
        if wanted == rs.replicas:
            continue
        scale(ctx, rs, wanted)
        spare -= rs.replicas - wanted
        scaled += rs.replicas - wanted
    return scaled > 0


def _clean_up_unhealthy(ctx: Context, others: list[ReplicaSet]) -> tuple[list[ReplicaSet], int]:
    """Remove unavailable pods first: they serve nothing and would block the release."""
    cleaned, removed = [], 0
    for rs in sorted(others, key=lambda rs: (rs.created, rs.name)):
        if rs.replicas > rs.available_replicas:
            removed += rs.replicas - rs.available_replicas
            rs = scale(ctx, rs, rs.available_replicas)[1]
        cleaned.append(rs)
    return cleaned, removed


def _scale_down_old_for_blue_green(ctx: Context, others: list[ReplicaSet]) -> bool:
    if ctx.status.pause_condition(INCONCLUSIVE) is not None or keeps_old_replica_sets(ctx):
        return False
    annotated, scaled = 0, False
    for rs in by_revision(others):
        if rs.replicas == 0 or is_referenced(ctx, rs):
            continue
        annotated, wanted = _scale_down_delay(ctx, rs, annotated, ctx.rollout.replicas)
        if wanted != rs.replicas:
            scale(ctx, rs, wanted)
            scaled = True
    return scaled


def _scale_down_delay(ctx: Context, rs: ReplicaSet, annotated: int, replicas: int) -> tuple[int, int]:
    """Set the deadline of a ReplicaSet without one; return (ReplicaSets with a deadline, replicas of this one)."""
    limit = scale_down_delay_revision_limit(ctx.rollout)
    if not rs.has_scale_down_deadline:
        seconds = scale_down_delay_seconds(ctx.rollout)
        # Without the correction pods without a deadline stay for good.
        is_due = seconds == 0 and ctx.corrects(ZERO_SCALE_DOWN_DELAY)
        if rs.replicas <= 0 or annotated >= limit or is_due:
            return annotated, 0
        add_scale_down_delay(ctx, rs, seconds)
        return annotated + 1, rs.replicas
    annotated += 1
    deadline = rs.scale_down_deadline
    waits = annotated <= limit and deadline is not None and deadline > ctx.now
    return annotated, replicas if waits else 0


def is_referenced(ctx: Context, rs: ReplicaSet) -> bool:
    """Return whether the status, a Service or a router's object refers to the ReplicaSet."""
    name = hash_of(rs)
    if not name:
        return False
    status = ctx.status
    references = [
        status.stable_rs,
        status.current_pod_hash,
        status.blue_green.active_selector,
        status.blue_green.preview_selector,
    ]
    if status.canary.weights is not None:
        references += [status.canary.weights.canary.pod_template_hash, status.canary.weights.stable.pod_template_hash]
    if ctx.rollout.canary is not None:
        services = (ctx.canary.canary_service, ctx.canary.stable_service)
    else:
        services = (ctx.blue_green.active_service, ctx.blue_green.preview_service)
    references += [selected_hash(ctx.world.service(service)) for service in services if service]
    for router in routers_of(ctx.rollout).values():
        references += router.selected_hashes(ctx.world)
    return name in references
