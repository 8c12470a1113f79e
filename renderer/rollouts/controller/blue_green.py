"""Reconciliation of a blue-green release (``rollout/bluegreen.go``)."""

from __future__ import annotations

from renderer.rollouts.controller.analysis import completed_pre_promotion_analysis, reconcile_analysis_runs
from renderer.rollouts.controller.context import Context, hash_of
from renderer.rollouts.controller.pause import completed_blue_green_pause, is_fast_tracked, reconcile_blue_green_pause
from renderer.rollouts.controller.replica_sets import (
    reconcile_ephemeral_metadata,
    reconcile_new_replica_set,
    reconcile_restart,
    reconcile_revision_history_limit,
    remove_scale_down_deadlines,
    scale,
    sync_replica_set_revision,
)
from renderer.rollouts.controller.revisions import is_saturated
from renderer.rollouts.controller.scale_down import reconcile_other_replica_sets
from renderer.rollouts.controller.services import ready_for_pause, selected_hash, service, switch_service
from renderer.rollouts.controller.sync_status import pod_template_changed, sync_status_blue_green
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC, CHANGED_STRATEGY
from renderer.rollouts.model.spec import BLUE_GREEN


def reconcile_blue_green(ctx: Context) -> None:
    """Reconcile a blue-green release once."""
    if ctx.blue_green.preview_service:
        service(ctx, ctx.blue_green.preview_service, *BLUE_GREEN, "previewService")
    service(ctx, ctx.blue_green.active_service, *BLUE_GREEN, "activeService")
    _point_active_service_at_stable(ctx)
    sync_replica_set_revision(ctx)
    reconcile_preview_service(ctx)
    if pod_template_changed(ctx):
        sync_status_blue_green(ctx)
        return
    reconcile_restart(ctx)
    reconcile_blue_green_replica_sets(ctx)
    reconcile_blue_green_pause(ctx)
    reconcile_active_service(ctx)
    reconcile_analysis_runs(ctx)
    reconcile_ephemeral_metadata(ctx)
    sync_status_blue_green(ctx)


def _point_active_service_at_stable(ctx: Context) -> None:
    """Switch an active Service that selects neither the stable nor the new version, which had another role before.

    The controller promotes the new version at once where it selects none, and waits for a promotion where its pods are
    gone.
    """
    stable_rs, name = ctx.stable_rs, ctx.blue_green.active_service
    if not ctx.corrects(CHANGED_STRATEGY) or stable_rs is None or not stable_rs.available_replicas:
        return
    if selected_hash(ctx.world.service(name)) not in (hash_of(stable_rs), hash_of(ctx.new_rs)):
        switch_service(ctx, name, hash_of(stable_rs), *BLUE_GREEN, "activeService")


def reconcile_blue_green_replica_sets(ctx: Context) -> None:
    """Scale all ReplicaSets, and delete the oldest."""
    remove_scale_down_deadlines(ctx)
    if ctx.stable_rs is not None:
        scale(ctx, ctx.stable_rs, ctx.rollout.replicas)
    reconcile_new_replica_set(ctx)
    reconcile_other_replica_sets(ctx)
    reconcile_revision_history_limit(ctx)


def reconcile_preview_service(ctx: Context) -> None:
    """Switch the preview Service, if any, to the new ReplicaSet."""
    name = ctx.blue_green.preview_service
    if name and not ctx.halts_progress():
        switch_service(ctx, name, hash_of(ctx.new_rs), *BLUE_GREEN, "previewService")


def reconcile_active_service(ctx: Context) -> None:
    """Switch the active Service to the new ReplicaSet once promoted, or after an abort to the stable one."""
    new_rs, active_service = ctx.new_rs, ctx.blue_green.active_service
    assert new_rs is not None
    if ctx.status.abort and ctx.corrects(ABORTED_TRAFFIC) and _is_stable_full(ctx):
        switch_service(ctx, active_service, ctx.status.stable_rs, *BLUE_GREEN, "activeService")
        return
    if ctx.halts_progress() or not ready_for_pause(ctx, new_rs) or not is_saturated(ctx.rollout, new_rs):
        return
    target = selected_hash(service(ctx, active_service, *BLUE_GREEN, "activeService"))
    promoted = completed_blue_green_pause(ctx) and completed_pre_promotion_analysis(ctx)
    if is_fast_tracked(ctx, new_rs) or promoted:
        target = new_rs.pod_template_hash
    if ctx.status.abort:
        target = ctx.status.stable_rs
    switch_service(ctx, active_service, target, *BLUE_GREEN, "activeService")


def _is_stable_full(ctx: Context) -> bool:
    return ctx.stable_rs is not None and ctx.stable_rs.available_replicas >= ctx.rollout.replicas
