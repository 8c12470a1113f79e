"""Pauses and abort (``rollout/pause.go``, ``reconcileCanaryPause``, ``reconcileBlueGreenPause``)."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from renderer.rollouts.controller.analysis import completed_pre_promotion_analysis
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.controller.revisions import is_fast_rollback
from renderer.rollouts.controller.services import ready_for_pause, selected_hash, service
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.spec import BLUE_GREEN, RolloutPause
from renderer.rollouts.model.status import PauseCondition, RolloutStatus

CANARY_PAUSE_STEP = "CanaryPauseStep"
BLUE_GREEN_PAUSE = "BlueGreenPause"


def calculate_pause_status(ctx: Context, status: RolloutStatus) -> RolloutStatus:
    """Return the new status with the abort, pause conditions and ``controllerPause`` of the pass."""
    pause = ctx.pause
    if pause.add_abort or (not pause.remove_abort and ctx.status.abort):
        return replace(status, abort=True, aborted_at=ctx.status.aborted_at or ctx.now)
    status = replace(status, abort=False, aborted_at=None)
    if pause.cleared:
        return status
    present = {condition.reason for condition in ctx.status.pause_conditions}
    conditions = [condition for condition in ctx.status.pause_conditions if condition.reason not in pause.removed]
    added = [PauseCondition(reason, ctx.now) for reason in pause.added if reason not in present]
    if not conditions and not added:
        return status
    controller_pause = ctx.status.controller_pause or bool(added)
    return replace(status, controller_pause=controller_pause, pause_conditions=(*conditions, *added))


def reconcile_canary_pause(ctx: Context) -> None:
    """Add the pause condition of a pause step that the release has just reached."""
    if ctx.rollout.paused or ctx.status.promote_full:
        return
    step, index = current_canary_step(ctx.rollout, ctx.status)
    if step is None or step.pause is None or index is None:
        return
    if ctx.skip_pauses and not ctx.holds_step(index):
        return
    if ctx.status.pause_condition(CANARY_PAUSE_STEP) is None and not ctx.status.controller_pause:
        ctx.pause.added.append(CANARY_PAUSE_STEP)


def completed_canary_pause_step(ctx: Context, pause: RolloutPause) -> bool:
    """Return whether a person ended the pause, or its duration is over."""
    if ctx.skip_pauses:
        return True
    condition = ctx.status.pause_condition(CANARY_PAUSE_STEP)
    if condition is None:
        return ctx.status.controller_pause
    if pause.duration is None:
        return False
    return ctx.now >= condition.start_time + timedelta(seconds=pause.duration_seconds)


def is_fast_tracked(ctx: Context, new_rs: ReplicaSet) -> bool:
    """Return whether a blue-green update skips the pause (``isBlueGreenFastTracked``)."""
    active = service(ctx, ctx.blue_green.active_service, *BLUE_GREEN, "activeService")
    goes_back = is_fast_rollback(ctx) if ctx.since_1_10 else new_rs.has_scale_down_deadline
    return goes_back or ctx.status.promote_full or selected_hash(active) in ("", new_rs.pod_template_hash)


def reconcile_blue_green_pause(ctx: Context) -> None:
    """Add the pause once the preview is ready, and remove it once promoted or over."""
    new_rs, blue_green = ctx.new_rs, ctx.blue_green
    assert new_rs is not None
    if ctx.status.abort or not ready_for_pause(ctx, new_rs) or ctx.halts_progress():
        return
    needs_pause = not blue_green.auto_promotion_enabled or blue_green.auto_promotion_seconds > 0
    passed = ctx.status.blue_green.scale_up_preview_check_point
    if is_fast_tracked(ctx, new_rs) or passed or not needs_pause:
        ctx.pause.removed.add(BLUE_GREEN_PAUSE)
        return
    if not completed_pre_promotion_analysis(ctx):
        return
    if ctx.status.pause_condition(BLUE_GREEN_PAUSE) is not None:
        if completed_blue_green_pause(ctx):
            ctx.pause.removed.add(BLUE_GREEN_PAUSE)
    elif not ctx.status.controller_pause and not ctx.skip_pauses:
        ctx.pause.added.append(BLUE_GREEN_PAUSE)


def completed_blue_green_pause(ctx: Context) -> bool:
    """Return whether no pause prevents the switch of the active Service."""
    blue_green = ctx.blue_green
    if ctx.pause.added:
        return False
    if ctx.skip_pauses or ctx.status.blue_green.scale_up_preview_check_point:
        return True
    condition = ctx.status.pause_condition(BLUE_GREEN_PAUSE)
    if not blue_green.auto_promotion_enabled:
        return ctx.status.controller_pause and condition is None
    seconds = blue_green.auto_promotion_seconds
    if seconds == 0:
        return True
    return condition is not None and ctx.now >= condition.start_time + timedelta(seconds=seconds)
