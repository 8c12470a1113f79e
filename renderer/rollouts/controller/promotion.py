"""Promotion of the new ReplicaSet (``shouldFullPromote`` in ``rollout/sync.go``, ``rollout/bluegreen.go``)."""

from __future__ import annotations

from renderer.rollouts.controller.analysis import completed_pre_promotion_analysis, succeeded
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.pause import completed_blue_green_pause
from renderer.rollouts.controller.replica_counts import replica_progress_threshold_met
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.controller.revisions import is_fast_rollback, is_rollback_within_window
from renderer.rollouts.model.status import RolloutStatus


def should_promote_canary(ctx: Context, steps: int) -> bool:
    """Return whether the new ReplicaSet becomes the stable one."""
    new_rs = ctx.new_rs
    if ctx.stable_rs is None:
        return True
    if ctx.pause.is_aborted or new_rs is None:
        return False
    wanted = ctx.rollout.replicas
    if new_rs.available_replicas < wanted and not replica_progress_threshold_met(ctx.canary, new_rs, wanted):
        return False
    if ctx.status.promote_full or _goes_back_fast(ctx):
        return True
    _, index = current_canary_step(ctx.rollout, ctx.status)
    return steps == 0 or index == steps


def _goes_back_fast(ctx: Context) -> bool:
    return is_fast_rollback(ctx) if ctx.since_1_10 else is_rollback_within_window(ctx)


def should_promote_blue_green(ctx: Context, status: RolloutStatus) -> bool:
    """Return whether the new ReplicaSet becomes the stable one."""
    active = status.blue_green.active_selector
    if ctx.stable_rs is None or not active:
        return True
    if active != status.current_pod_hash:
        return False
    if ctx.status.promote_full or _goes_back_fast(ctx):
        return True
    if ctx.pause.is_aborted:
        return False
    back = not ctx.since_1_10 and ctx.new_rs is not None and ctx.new_rs.has_scale_down_deadline
    return ctx.blue_green.post_promotion_analysis is None or back or succeeded(ctx.runs.post)


def calculate_scale_up_preview_check_point(ctx: Context) -> bool:
    """Return whether the preview, promoted with ``previewReplicaCount`` pods, may grow to all replicas."""
    count = ctx.blue_green.preview_replica_count
    if count is None:
        return False
    if ctx.status.blue_green.scale_up_preview_check_point:
        return True
    if not completed_pre_promotion_analysis(ctx) or not completed_blue_green_pause(ctx):
        return False
    return count == (ctx.new_rs.available_replicas if ctx.new_rs else 0)
