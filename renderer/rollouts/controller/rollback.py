"""Going back to an older ReplicaSet (``isRollbackWithinWindow``, ``IsDynamicallyRollingBackToStable``)."""

from __future__ import annotations

from renderer.rollouts.controller.context import Context, hash_of


def is_rollback_within_window(ctx: Context) -> bool:
    """Tell whether the update goes back to an older ReplicaSet that is at most ``rollbackWindow`` revisions away."""
    new_rs, stable_rs, window = ctx.new_rs, ctx.stable_rs, ctx.rollout.rollback_window
    if new_rs is None or stable_rs is None or window <= 0 or not new_rs.created < stable_rs.created:
        return False
    between = sum(1 for rs in ctx.all_rss if new_rs.created < rs.created < stable_rs.created)
    return between < window


def previous_canary_hash(ctx: Context) -> str:
    """Return the hash that was the canary's when a release with ``dynamicStableScale`` went back to stable.

    Empty where that is not so, or the stable ReplicaSet is large enough already.
    """
    canary = ctx.rollout.canary
    weights = ctx.status.canary.weights
    if not ctx.is_fully_promoted or canary is None or canary.traffic_routing is None or weights is None:
        return ""
    if not canary.dynamic_stable_scale or ctx.new_rs is None:
        return ""
    previous = weights.canary.pod_template_hash
    if previous == hash_of(ctx.new_rs) or ctx.new_rs.available_replicas >= ctx.rollout.replicas:
        return ""
    return previous


def is_dynamically_rolling_back_to_stable(ctx: Context) -> bool:
    """Tell whether ``dynamicStableScale`` is on the way back to a stable ReplicaSet that is too small yet."""
    return bool(previous_canary_hash(ctx))
