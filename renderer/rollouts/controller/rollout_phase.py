"""Phase and message of a Rollout, as ``status`` and ``get`` print them (``utils/rollout/rolloututil.go``)."""

from __future__ import annotations

from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.status import RolloutStatus

DEGRADING_REASONS = ("RolloutAborted", "ProgressDeadlineExceeded")


def calculate_rollout_phase(rollout: Rollout, status: RolloutStatus) -> tuple[str, str]:
    """Return phase (Healthy, Progressing, Paused or Degraded) and message for a status that has just been computed."""
    for condition in status.conditions:
        if condition.type == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {condition.message}"
        if condition.reason in DEGRADING_REASONS:
            return "Degraded", f"{condition.reason}: {condition.message}"
    if rollout.paused:
        return "Paused", "manually paused"
    if status.pause_conditions:
        return "Paused", status.pause_conditions[0].reason
    if rollout.restart_at is not None and rollout.restart_at != status.restarted_at:
        return "Progressing", "rollout is restarting"
    if status.updated_replicas < rollout.replicas:
        return "Progressing", "more replicas need to be updated"
    if status.available_replicas < status.updated_replicas:
        return "Progressing", "updated replicas are still becoming available"
    pending = _blue_green_pending(status) if rollout.blue_green is not None else _canary_pending(rollout, status)
    return ("Progressing", pending) if pending else ("Healthy", "")


def _blue_green_pending(status: RolloutStatus) -> str:
    active = status.blue_green.active_selector
    if not active or active != status.current_pod_hash:
        return "active service cutover pending"
    if not status.stable_rs or status.stable_rs != status.current_pod_hash:
        return "waiting for post-promotion verification to complete"
    return ""


def _canary_pending(rollout: Rollout, status: RolloutStatus) -> str:
    assert rollout.canary is not None
    if rollout.canary.traffic_routing is None and status.replicas > status.updated_replicas:
        return "old replicas are pending termination"
    if not status.stable_rs or status.stable_rs != status.current_pod_hash:
        return "waiting for all steps to complete"
    return ""
