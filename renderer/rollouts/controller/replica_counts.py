"""Replicas of the canary, the stable and the preview ReplicaSet (``utils/replicaset/canary.go``, ``replicaset.go``).

Weights are out of ``maxTrafficWeight``, replicas are whole pods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.replica_math import (
    canary_replicas_or_weight,
    max_surge,
    max_unavailable,
    total_available,
    total_replicas,
    traffic_weight_to_replicas,
)
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC, NGINX_STABLE_PODS, NO_CORRECTIONS
from renderer.rollouts.model.rollout import ReplicaSet, Rollout, find_by_hash
from renderer.rollouts.model.spec import CanaryStrategy
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.strategy_status import TrafficWeights


def check_min_pods(rollout: Rollout, count: int, *, capped: bool) -> int:
    """Return ``count``, if not zero at least ``minPodsPerReplicaSet`` (with traffic routing only).

    From v1.10 on that minimum is ``capped`` at ``spec.replicas``.
    """
    canary = rollout.canary
    if count == 0 or canary is None or canary.min_pods_per_replica_set is None or canary.traffic_routing is None:
        return count
    least = canary.min_pods_per_replica_set
    return max(count, min(least, rollout.replicas) if capped else least)


def replica_counts_for_traffic_routed_canary(
    rollout: Rollout,
    status: RolloutStatus,
    new_rs: ReplicaSet | None,
    stable_rs: ReplicaSet | None,
    weights: TrafficWeights | None,
    corrections: frozenset[str] = NO_CORRECTIONS,
    *,
    capped: bool = True,
) -> tuple[int, int]:
    """Return (canary, stable) replicas for a canary with a router.

    ``capped`` is for ``check_min_pods``; ``weights`` are the current ones: with ``dynamicStableScale`` no ReplicaSet
    shrinks below its traffic.
    """
    max_weight = max_traffic_weight(rollout)
    set_replicas, weight = canary_replicas_or_weight(rollout, status, new_rs, stable_rs, corrections)
    if set_replicas is not None:
        canary_count = set_replicas
    else:
        share = traffic_weight_to_replicas(rollout.replicas, weight, max_weight)
        canary_count = check_min_pods(rollout, share, capped=capped)
    if rollout.canary is None or not rollout.canary.dynamic_stable_scale:
        return canary_count, rollout.replicas
    stable_count = traffic_weight_to_replicas(rollout.replicas, max_weight - weight, max_weight)
    if status.abort and ABORTED_TRAFFIC in corrections:
        # The size of the canary's setCanaryScale does not reduce the stable ReplicaSet.
        stable_count = rollout.replicas
    if NGINX_STABLE_PODS in corrections and "nginx" in rollout.routing.routers and rollout.replicas:
        # ingress-nginx answers 503 where the stable Service has no endpoints, whatever the canary's weight is.
        stable_count = max(stable_count, 1)
    if weights is not None:
        in_use = traffic_weight_to_replicas(rollout.replicas, weights.stable.weight, max_weight)
        stable_count = max(stable_count, in_use)
        if status.abort:
            in_use = traffic_weight_to_replicas(rollout.replicas, weights.canary.weight, max_weight)
            canary_count = max(canary_count, in_use)
    counts = (canary_count, stable_count)
    return check_min_pods(rollout, counts[0], capped=capped), check_min_pods(rollout, counts[1], capped=capped)


def replica_counts_for_basic_canary(
    rollout: Rollout,
    status: RolloutStatus,
    new_rs: ReplicaSet | None,
    stable_rs: ReplicaSet | None,
    other_rss: Sequence[ReplicaSet],
) -> tuple[int, int]:
    """Return the next (canary, stable) replicas within surge and availability for a canary without a router.

    The stable ReplicaSet grows first; older ReplicaSets shrink before either of the two.
    """
    replicas = rollout.replicas
    _, weight = canary_replicas_or_weight(rollout, status, new_rs, stable_rs)
    surge = max_surge(rollout)
    wanted_new, wanted_stable = approximate_weighted_counts(replicas, weight, max_traffic_weight(rollout), surge)
    stable = stable_rs if stable_rs_exists(new_rs, stable_rs) else None
    new_count = new_rs.replicas if new_rs else 0
    stable_count = stable.replicas if stable else 0
    if stable is None:
        wanted_new, wanted_stable = replicas, 0

    most_allowed = replicas + surge
    room = most_allowed - total_replicas([*other_rss, new_rs, stable])
    if stable and stable.replicas < wanted_stable and room > 0:
        stable_count = min(stable.replicas + room, wanted_stable)
        room -= stable_count - stable.replicas
    if new_rs and new_rs.replicas < wanted_new and room > 0:
        new_count = min(new_rs.replicas + room, wanted_new)
    if total_replicas(other_rss) > 0:
        return new_count, stable_count

    least_available = replicas - max_unavailable(rollout)
    # The availability of the side that shrinks is ignored: pods that never become ready must not block it.
    increasing = new_rs is None or wanted_new >= new_rs.replicas
    removable = _replicas_for_scale_down(new_rs, not increasing) + _replicas_for_scale_down(stable_rs, increasing)
    spare = removable - least_available
    if spare <= 0:
        return new_count, stable_count
    limits = (most_allowed, least_available)
    if not increasing:
        new_count = _scale_down(new_rs, wanted_new, spare, new_count)
        return _within_limits(new_rs, stable_rs, new_count, stable_count, limits)
    if stable:
        stable_count = _scale_down(stable, wanted_stable, spare, stable_count)
        stable_count, new_count = _within_limits(stable, new_rs, stable_count, new_count, limits)
    return new_count, stable_count


def stable_rs_exists(new_rs: ReplicaSet | None, stable_rs: ReplicaSet | None) -> bool:
    """Return whether there is a stable ReplicaSet other than the new one."""
    return stable_rs is not None and (new_rs is None or new_rs.name != stable_rs.name)


def approximate_weighted_counts(replicas: int, weight: int, max_weight: int, surge: int) -> tuple[int, int]:
    """Return the (canary, stable) counts nearest to ``weight``, of ``replicas`` in total or, with surge, one more.

    A weight between 0 and ``max_weight`` gives both at least one pod, except with a single replica and no surge.
    """
    if replicas == 0:
        return 0, 0
    share = replicas * weight / max_weight
    high, low = math.ceil(share), math.floor(share)
    zero_allowed = weight in (0, max_weight) or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    if high < replicas or zero_allowed:
        options.append((high, replicas))
    if not _tied(weight, max_weight, replicas) and (low != 0 or zero_allowed):
        options.append((low, replicas))
    if surge > 0:
        options.append((high, replicas + 1))
        if not _tied(weight, max_weight, replicas + 1) and (low != 0 or zero_allowed):
            options.append((low, replicas + 1))
    if not options:
        return 0, replicas
    canary, total = min(options, key=lambda option: abs(option[0] * max_weight / option[1] - weight))
    return canary, total - canary


def _tied(weight: int, max_weight: int, total: int) -> bool:
    """Return whether rounding up and down are equally near; the larger canary wins then."""
    return math.modf(total * (weight / max_weight))[0] == 0.5


def _replicas_for_scale_down(rs: ReplicaSet | None, ignore_availability: bool) -> int:
    if rs is None:
        return 0
    if rs.replicas < rs.available_replicas or ignore_availability:
        return rs.replicas
    return rs.available_replicas


def _scale_down(rs: ReplicaSet | None, wanted: int, spare: int, count: int) -> int:
    return max(wanted, rs.replicas - spare) if rs is not None and rs.replicas > wanted else count


def _within_limits(
    drained: ReplicaSet | None, kept: ReplicaSet | None, drained_count: int, kept_count: int, limits: tuple[int, int]
) -> tuple[int, int]:
    """Return both counts within (most allowed, least available), the kept one changed first."""
    most_allowed, least_available = limits
    if kept is None:
        return drained_count, kept_count
    available = min(drained.available_replicas, drained_count) if drained else 0
    kept_count -= max(0, kept_count + drained_count - most_allowed)
    available += min(kept.available_replicas, kept_count)
    lost = max(0, kept.available_replicas - kept_count)
    kept_count += min(lost, max(0, least_available - available))
    drained_count -= max(0, kept_count + drained_count - most_allowed)
    return drained_count, kept_count


def replica_progress_threshold_met(canary: CanaryStrategy, rs: ReplicaSet | None, desired: int) -> bool:
    """Return whether enough pods of ``rs`` are available: all ``desired``, or the threshold's share of them."""
    threshold = canary.replica_progress_threshold
    if threshold is None or rs is None or threshold.value < 0:
        return rs is not None and desired == rs.replicas and desired == rs.available_replicas
    if threshold.type != "Percent":
        return rs.available_replicas >= threshold.value
    if desired == 0:
        return True
    percent = rs.available_replicas / desired * 100
    return percent >= threshold.value or abs(percent - threshold.value) <= 1e-10


def canary_replica_counts(ctx: Context, weights: TrafficWeights | None) -> tuple[int, int]:
    """Return (canary, stable) replicas of a canary; ``weights`` count for one with a router only."""
    if ctx.canary.traffic_routing is None:
        return replica_counts_for_basic_canary(ctx.rollout, ctx.status, ctx.new_rs, ctx.stable_rs, ctx.other_rss)
    return replica_counts_for_traffic_routed_canary(
        ctx.rollout, ctx.status, ctx.new_rs, ctx.stable_rs, weights, ctx.world.corrections, capped=ctx.since_1_10
    )


def at_desired_replica_counts(ctx: Context, weights: TrafficWeights | None) -> bool:
    """Return whether the ReplicaSets have the replicas of the current step, available."""
    stable_rs, routed = ctx.stable_rs, ctx.canary.traffic_routing is not None
    new, stable = canary_replica_counts(ctx, weights)
    if not replica_progress_threshold_met(ctx.canary, ctx.new_rs, new):
        return False
    stable_created = stable_rs is not None and stable == stable_rs.replicas == stable_rs.actual_replicas
    if not stable_created and not (routed and ctx.canary.dynamic_stable_scale):
        return False
    # Without a router old pods get traffic.
    return routed or total_available(ctx.other_rss) == 0


def new_rs_replicas(ctx: Context, new_rs: ReplicaSet, weights: TrafficWeights | None) -> int:
    """Return the replicas of the new ReplicaSet."""
    if ctx.rollout.canary is not None:
        return canary_replica_counts(ctx, weights)[0]
    status, replicas, preview = ctx.status, ctx.rollout.replicas, ctx.blue_green.preview_replica_count
    active = find_by_hash(ctx.all_rss, status.blue_green.active_selector)
    if preview is None or active is None or active.name == new_rs.name or status.promote_full:
        return replicas
    paused = ctx.rollout.paused or bool(status.pause_conditions)
    is_current = new_rs.pod_template_hash == status.current_pod_hash
    return replicas if is_current and not paused and status.blue_green.scale_up_preview_check_point else preview
