"""Reconciliation of a canary (``rollout/canary.go``)."""

from __future__ import annotations

from renderer.rollouts.controller.analysis import reconcile_analysis_runs
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.experiment import reconcile_experiments
from renderer.rollouts.controller.pause import reconcile_canary_pause
from renderer.rollouts.controller.replica_sets import (
    reconcile_canary_stable_replica_set,
    reconcile_ephemeral_metadata,
    reconcile_new_replica_set,
    reconcile_restart,
    reconcile_revision_history_limit,
    remove_scale_down_deadlines,
    sync_replica_set_revision,
)
from renderer.rollouts.controller.scale_down import reconcile_other_replica_sets
from renderer.rollouts.controller.services import reconcile_ping_and_pong_service, reconcile_stable_and_canary_service
from renderer.rollouts.controller.sync_status import pod_template_or_steps_changed, sync_status_canary
from renderer.rollouts.controller.traffic import reconcile_traffic_routing


def reconcile_canary(ctx: Context) -> None:
    """Reconcile a canary once."""
    if pod_template_or_steps_changed(ctx):
        sync_replica_set_revision(ctx)
        sync_status_canary(ctx)
        return
    sync_replica_set_revision(ctx)
    reconcile_restart(ctx)
    reconcile_ephemeral_metadata(ctx)
    reconcile_revision_history_limit(ctx)
    reconcile_ping_and_pong_service(ctx)
    reconcile_stable_and_canary_service(ctx)
    reconcile_traffic_routing(ctx)
    reconcile_experiments(ctx)
    reconcile_analysis_runs(ctx)
    if not ctx.pause.added and not reconcile_canary_replica_sets(ctx):
        reconcile_canary_pause(ctx)
    sync_status_canary(ctx)


def reconcile_canary_replica_sets(ctx: Context) -> bool:
    """Scale the stable, the new or the other ReplicaSets, the first that is due; return whether replicas changed."""
    if ctx.halts_progress():
        return False
    remove_scale_down_deadlines(ctx)
    return (
        reconcile_canary_stable_replica_set(ctx) or reconcile_new_replica_set(ctx) or reconcile_other_replica_sets(ctx)
    )
