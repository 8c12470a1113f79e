"""One pass over a blue-green release (``rollout/bluegreen.go``)."""

from __future__ import annotations

from renderer.engine.context import Context
from renderer.engine.pause import completed_blue_green_pause, reconcile_blue_green_pause
from renderer.engine.replica_sets import (
    reconcile_ephemeral_metadata,
    reconcile_new_replica_set,
    reconcile_revision_history_limit,
    remove_scale_down_deadlines,
    scale,
    sync_replica_set_revision,
)
from renderer.engine.restart import reconcile_restart
from renderer.engine.scale_down import reconcile_other_replica_sets
from renderer.engine.services import BLUE_GREEN, reconcile_active_service, reconcile_preview_service, service
from renderer.engine.sync_status import is_rollback_within_window, pod_template_changed, sync_status_blue_green
from renderer.model import RolloutStatus


def reconcile_blue_green(ctx: Context) -> None:
    """Make one pass over a blue-green release."""
    blue_green = ctx.rollout.blue_green
    assert blue_green is not None
    if blue_green.preview_service:
        service(ctx, blue_green.preview_service, *BLUE_GREEN, "previewService")
    service(ctx, blue_green.active_service, *BLUE_GREEN, "activeService")
    sync_replica_set_revision(ctx)
    reconcile_preview_service(ctx)
    if pod_template_changed(ctx):
        sync_status_blue_green(ctx)
        return
    reconcile_restart(ctx)
    reconcile_blue_green_replica_sets(ctx)
    reconcile_blue_green_pause(ctx)
    reconcile_active_service(ctx)
    reconcile_ephemeral_metadata(ctx)
    sync_status_blue_green(ctx)


def reconcile_blue_green_replica_sets(ctx: Context) -> None:
    """Scale the stable, the new and the other ReplicaSets and delete the oldest."""
    remove_scale_down_deadlines(ctx)
    if ctx.stable_rs is not None:
        scale(ctx, ctx.stable_rs, ctx.rollout.replicas)
    reconcile_new_replica_set(ctx)
    reconcile_other_replica_sets(ctx)
    reconcile_revision_history_limit(ctx)


def should_promote_blue_green(ctx: Context, status: RolloutStatus) -> bool:
    """Tell whether the new ReplicaSet becomes the stable one."""
    active = status.blue_green.active_selector
    if ctx.stable_rs is None or not active:
        return True
    if active != status.current_pod_hash:
        return False
    return ctx.status.promote_full or is_rollback_within_window(ctx) or not ctx.pause.is_aborted


def calculate_scale_up_preview_check_point(ctx: Context) -> bool:
    """Tell whether the preview had its ``previewReplicaCount`` and was promoted, so that it may grow to full size."""
    assert ctx.rollout.blue_green is not None
    count = ctx.rollout.blue_green.preview_replica_count
    if count is None:
        return False
    if ctx.status.blue_green.scale_up_preview_check_point:
        return True
    if not completed_blue_green_pause(ctx):
        return False
    return count == (ctx.new_rs.available_replicas if ctx.new_rs else 0)
