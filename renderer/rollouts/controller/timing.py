"""The times at which a release changes without an action."""

from __future__ import annotations

from datetime import datetime, timedelta

from renderer.rollouts.controller.conditions import TIMED_OUT, is_healthy, is_indefinite_step, progress_deadline
from renderer.rollouts.controller.experiment import experiment_end
from renderer.rollouts.controller.pause import BLUE_GREEN_PAUSE, CANARY_PAUSE_STEP
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.world import World


def next_wakeup(world: World) -> datetime | None:
    """Return the next time at which the controller acts by itself; None if only a person or the pods cause an action.

    That is the end of a timed pause, of an experiment or of ``autoPromotionSeconds``, a scale-down deadline,
    ``restartAt``, or the progress deadline.  Past times are left out: their actions are done or blocked.
    """
    times = [pause_end(world), experiment_end(world), _restart(world), _progress_deadline(world)]
    if not world.rollout.paused or world.rollout.blue_green is not None:
        times += [rs.scale_down_deadline for rs in world.replica_sets if rs.replicas > 0]
    return min((time for time in times if time is not None and time > world.now), default=None)


def pause_end(world: World) -> datetime | None:
    """Return when the current pause ends by its duration; None if it does not."""
    rollout, status = world.rollout, world.status
    if rollout.paused:
        return None
    if rollout.blue_green is not None:
        blue_green = rollout.blue_green
        pause = status.pause_condition(BLUE_GREEN_PAUSE)
        if pause is None or not blue_green.auto_promotion_enabled or not blue_green.auto_promotion_seconds:
            return None
        return pause.start_time + timedelta(seconds=blue_green.auto_promotion_seconds)
    step, _ = current_canary_step(rollout, status)
    pause = status.pause_condition(CANARY_PAUSE_STEP)
    if pause is None or step is None or step.pause is None or step.pause.duration is None:
        return None
    return pause.start_time + timedelta(seconds=step.pause.duration_seconds)


def _restart(world: World) -> datetime | None:
    restart_at = world.rollout.restart_at
    return restart_at if restart_at != world.status.restarted_at else None


def _progress_deadline(world: World) -> datetime | None:
    rollout, status = world.rollout, world.status
    condition = status.condition("Progressing")
    paused = bool(status.pause_conditions) or rollout.paused
    if condition is None or condition.reason == TIMED_OUT or paused or status.abort:
        return None
    if is_healthy(rollout, status, status) or is_indefinite_step(rollout, status):
        return None
    names = {status.stable_rs, status.current_pod_hash}
    if any(rs.has_scale_down_deadline for rs in world.replica_sets if rs.pod_template_hash not in names):
        return None
    return progress_deadline(rollout, status)
