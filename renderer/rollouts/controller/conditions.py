"""Conditions and phase of the Rollout.

Follows ``utils/conditions/conditions.go``, ``calculateRolloutConditions`` in ``sync.go`` and, for the phase,
``utils/rollout/rolloututil.go``.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.gates import open_gate
from renderer.rollouts.controller.replica_math import current_canary_step, total_available
from renderer.rollouts.controller.revisions import is_saturated
from renderer.rollouts.model.rollout import Rollout, find_by_hash
from renderer.rollouts.model.spec import STEP_KINDS
from renderer.rollouts.model.status import RolloutCondition, RolloutStatus

PROGRESSING = "Progressing"
PAUSED = "Paused"
HEALTHY = "Healthy"
COMPLETED = "Completed"
AVAILABLE = "Available"
ROLLOUT_ABORTED = "RolloutAborted"
ROLLOUT_PAUSED = "RolloutPaused"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED_MESSAGE = "Rollout is paused"


def new_condition(now: datetime, condition_type: str, status: str, reason: str, message: str) -> RolloutCondition:
    """Return a condition whose times are ``now``."""
    return RolloutCondition(condition_type, status, reason, message, now, now)


def is_completed(status: RolloutStatus) -> bool:
    """Return whether the current ReplicaSet is the stable one."""
    return bool(status.stable_rs) and status.stable_rs == status.current_pod_hash


def is_healthy(rollout: Rollout, previous: RolloutStatus, status: RolloutStatus) -> bool:
    """Return whether all replicas are updated, available and serving, and no old pods are left."""
    if rollout.blue_green is not None:
        current = status.current_pod_hash
        done = status.blue_green.active_selector == current
        if rollout.blue_green.preview_service:
            done = done and status.blue_green.preview_selector == current
    else:
        assert rollout.canary is not None
        steps = len(rollout.canary.steps)
        executed = not steps or status.current_step_index in (None, steps)
        done = executed and is_completed(status) and status.replicas == rollout.replicas
    return (
        status.updated_replicas == rollout.replicas
        and status.available_replicas == rollout.replicas
        and previous.observed_generation == str(rollout.generation)
        and done
    )


def is_progressing(rollout: Rollout, previous: RolloutStatus, status: RolloutStatus) -> bool:
    """Return whether the release has progressed since ``previous``."""
    if rollout.blue_green is not None:
        moved = (
            previous.blue_green.active_selector != status.blue_green.active_selector
            or previous.blue_green.preview_selector != status.blue_green.preview_selector
        )
    else:
        indexes = (previous.current_step_index, status.current_step_index)
        moved = (
            previous.stable_rs != status.stable_rs
            or (None not in indexes and indexes[0] != indexes[1])
            or previous.current_step_hash != status.current_step_hash
        )
    return (
        moved
        or status.updated_replicas != previous.updated_replicas
        or status.replicas - status.updated_replicas < previous.replicas - previous.updated_replicas
        or status.ready_replicas > previous.ready_replicas
        or status.available_replicas > previous.available_replicas
    )


def progress_deadline(rollout: Rollout, status: RolloutStatus) -> datetime | None:
    """Return the time of the progress deadline; None while the release is aborted or paused."""
    condition = status.condition(PROGRESSING)
    if condition is None or condition.reason in (ROLLOUT_ABORTED, ROLLOUT_PAUSED):
        return None
    return condition.last_update_time + timedelta(seconds=rollout.progress_deadline_seconds)


def has_timed_out(rollout: Rollout, status: RolloutStatus, now: datetime) -> bool:
    """Return whether the release has exceeded ``progressDeadlineSeconds``."""
    condition = status.condition(PROGRESSING)
    if condition is not None and condition.reason == TIMED_OUT:
        return True
    deadline = progress_deadline(rollout, status)
    return deadline is not None and deadline <= now


def is_indefinite_step(rollout: Rollout, status: RolloutStatus) -> bool:
    """Return whether the release is at a step or gate of unknown duration (``IsIndefiniteStep``).

    Plugins and the analyses of a blue-green release count as well, unlike in the controller: here they wait for a
    person.
    """
    step, _ = current_canary_step(rollout, status)
    if step is not None and STEP_KINDS[step.kind].is_indefinite:
        return True
    if open_gate(rollout, status):
        return True
    paused = status.condition(PAUSED)
    return paused is not None and paused.status == "True"


def check_paused_conditions(ctx: Context) -> None:
    """Bring the Progressing and Paused conditions in line with the pause, at the start of a pass."""
    status, now = ctx.status, ctx.now
    progressing = status.condition(PROGRESSING)
    reason = progressing.reason if progressing else ""
    aborted = reason == ROLLOUT_ABORTED
    is_paused = bool(status.pause_conditions) or ctx.rollout.paused
    updates: list[RolloutCondition] = []
    if is_paused != (reason == ROLLOUT_PAUSED) and not aborted and not is_completed(status):
        text = (ROLLOUT_PAUSED, PAUSED_MESSAGE) if is_paused else ("RolloutResumed", "Rollout is resumed")
        updates.append(new_condition(now, PROGRESSING, "Unknown", *text))
    if aborted and not status.abort:
        updates.append(new_condition(now, PROGRESSING, "Unknown", "RolloutRetry", "Retrying Rollout after abort"))
    paused = status.condition(PAUSED)
    if is_paused != (paused is not None and paused.status == "True") and not aborted:
        updates.append(new_condition(now, PAUSED, str(is_paused), ROLLOUT_PAUSED, PAUSED_MESSAGE))
    for condition in updates:
        status = status.with_condition(condition)
    if updates:
        write_status(ctx, status)


def write_status(ctx: Context, status: RolloutStatus) -> None:
    """Write a status with its generation and phase; the pass goes on with the status that it has read."""
    status = replace(status, observed_generation=str(ctx.rollout.generation))
    phase, message = calculate_rollout_phase(ctx.rollout, status)
    ctx.patch_status(ctx.status, replace(status, phase=phase, message=message))


def abort_after_progress_deadline(ctx: Context, status: RolloutStatus) -> None:
    """Abort an update that has made no progress for ``progressDeadlineSeconds``, where the spec says so.

    ``status`` is the new one, before its pauses and conditions.  Source: ``evaluateProgressDeadlineAbort`` in
    ``rollout/sync.go`` of v1.10.2; before, the abort came with the condition, one pass later.
    """
    if not ctx.rollout.progress_deadline_abort or ctx.pause.is_aborted or is_completed(status):
        return
    if is_progressing(ctx.rollout, ctx.status, status) or _waits(ctx):
        return
    if has_timed_out(ctx.rollout, ctx.status, ctx.now):
        ctx.pause.abort(f"{_subject(ctx)} has timed out progressing.")


def _waits(ctx: Context) -> bool:
    """Return whether the release waits for something that does not count against its progress."""
    return is_indefinite_step(ctx.rollout, ctx.status) or any(rs.has_scale_down_deadline for rs in ctx.other_rss)


def _subject(ctx: Context) -> str:
    return f'ReplicaSet "{ctx.new_rs.name}"' if ctx.new_rs else f'Rollout "{ctx.rollout.name}"'


def calculate_conditions(ctx: Context, status: RolloutStatus) -> RolloutStatus:
    """Return the new status with its conditions; abort after the progress deadline where the spec says so."""
    status, became_unhealthy = _set_healthy(ctx, status)
    if ctx.pause.is_aborted:
        message = f"Rollout aborted update to revision {ctx.rollout.revision}"
        if ctx.pause.abort_message:
            message += f": {ctx.pause.abort_message}"
        elif ctx.status.abort and ctx.status.message.startswith(f"{ROLLOUT_ABORTED}: {message}: "):
            # In a cluster the condition keeps its reason; git has the message alone.
            message = ctx.status.message.removeprefix(f"{ROLLOUT_ABORTED}: ")
        status = status.with_condition(new_condition(ctx.now, PROGRESSING, "False", ROLLOUT_ABORTED, message))
    else:
        status = _set_progressing(ctx, status, became_unhealthy)
    status = _set_available(ctx, status)
    done = str(is_completed(status))
    return status.with_condition(new_condition(ctx.now, COMPLETED, done, "RolloutCompleted", "RolloutCompleted"))


def _set_healthy(ctx: Context, status: RolloutStatus) -> tuple[RolloutStatus, bool]:
    pauses = (status if ctx.since_1_10 else ctx.status).pause_conditions
    if not (pauses or ctx.rollout.paused) and is_healthy(ctx.rollout, ctx.status, status):
        condition = new_condition(ctx.now, HEALTHY, "True", "RolloutHealthy", "Rollout is healthy")
        return status.with_condition(condition), False
    if ctx.status.condition(HEALTHY) is None:
        return status, False
    condition = new_condition(ctx.now, HEALTHY, "False", "RolloutHealthy", "Rollout is not healthy")
    changed = status.with_condition(condition)
    return changed, changed is not status


def _set_progressing(ctx: Context, status: RolloutStatus, became_unhealthy: bool) -> RolloutStatus:
    name, subject = ctx.new_rs.name if ctx.new_rs else "", _subject(ctx)
    if is_healthy(ctx.rollout, ctx.status, status):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        condition = new_condition(ctx.now, PROGRESSING, "True", "NewReplicaSetAvailable", message)
        return status.with_condition(condition)
    if is_progressing(ctx.rollout, ctx.status, status) or became_unhealthy:
        reason, message = "ReplicaSetUpdated", f"{subject} is progressing."
        if status.stable_rs == status.current_pod_hash and became_unhealthy:
            reason, message = "ReplicaSetNotAvailable", "Rollout does not have minimum availability"
        condition = new_condition(ctx.now, PROGRESSING, "True", reason, message)
        current = ctx.status.condition(PROGRESSING)
        if current is not None:
            if current.status == "True":
                condition = replace(condition, last_transition_time=current.last_transition_time)
            # Removed first: progress for the same reason updates the time as well.
            status = status.without_condition(PROGRESSING)
        return status.with_condition(condition)
    if _waits(ctx) or not has_timed_out(ctx.rollout, status, ctx.now):
        return status
    message = f"{subject} has timed out progressing."
    timed_out = status.with_condition(new_condition(ctx.now, PROGRESSING, "False", TIMED_OUT, message))
    if (
        not ctx.since_1_10
        and ctx.rollout.progress_deadline_abort
        and (timed_out is not status or not ctx.pause.is_aborted)
    ):
        ctx.pause.abort(message)
    return timed_out


def _set_available(ctx: Context, status: RolloutStatus) -> RolloutStatus:
    if ctx.rollout.blue_green is not None:
        active = find_by_hash(ctx.all_rss, status.blue_green.active_selector)
        available = active is not None and is_saturated(ctx.rollout, active)
    else:
        available = total_available(ctx.all_rss) >= ctx.rollout.replicas
    text = "Rollout has minimum availability" if available else "Rollout does not have minimum availability"
    condition = new_condition(ctx.now, AVAILABLE, str(available), "AvailableReason", text)
    return status.with_condition(condition)


def calculate_rollout_phase(rollout: Rollout, status: RolloutStatus) -> tuple[str, str]:
    """Return the phase (Healthy, Progressing, Paused or Degraded) and the message of a new status."""
    for condition in status.conditions:
        if condition.type == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {condition.message}"
        if condition.reason in (ROLLOUT_ABORTED, TIMED_OUT):
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
