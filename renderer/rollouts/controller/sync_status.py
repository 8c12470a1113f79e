"""The new status of a release: completed steps and promotion (``rollout/sync.go``, ``rollout/canary.go``)."""

from __future__ import annotations

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.analysis import succeeded
from renderer.rollouts.controller.conditions import abort_after_progress_deadline, calculate_conditions, write_status
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.experiment import completed_experiment
from renderer.rollouts.controller.gates import ANALYSIS_STEP, EXPERIMENT_STEP, awaits_background_analysis, is_gate
from renderer.rollouts.controller.pause import CANARY_PAUSE_STEP, calculate_pause_status, completed_canary_pause_step
from renderer.rollouts.controller.promotion import (
    calculate_scale_up_preview_check_point,
    should_promote_blue_green,
    should_promote_canary,
)
from renderer.rollouts.controller.replica_counts import at_desired_replica_counts
from renderer.rollouts.controller.replica_math import current_canary_step, total_available
from renderer.rollouts.controller.revisions import is_rollback_within_window
from renderer.rollouts.controller.services import next_turn, selected_hash
from renderer.rollouts.controller.step_hash import compute_step_hash
from renderer.rollouts.controller.workload import scale_workload_on_success
from renderer.rollouts.model.rollout import find_by_hash
from renderer.rollouts.model.spec import STEP_KINDS
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.strategy_status import BlueGreenStatus, CanaryStatus


def pod_template_changed(ctx: Context) -> bool:
    """Return whether the pod template differs from the status's."""
    return bool(ctx.status.current_pod_hash) and ctx.status.current_pod_hash != _current_hash(ctx)


def pod_template_or_steps_changed(ctx: Context) -> bool:
    """Return whether the pod template or the steps differ from the status's."""
    return ctx.status.current_step_hash != compute_step_hash(ctx.rollout) or pod_template_changed(ctx)


def _current_hash(ctx: Context) -> str:
    return ctx.new_rs.pod_template_hash if ctx.new_rs is not None else ctx.pod_template_hash()


def calculate_base_status(ctx: Context) -> RolloutStatus:
    """Return the part of the new status that both strategies share."""
    previous = ctx.status.without_condition("InvalidSpec")
    pods = sum(rs.actual_replicas for rs in ctx.all_rss)
    return RolloutStatus(
        current_pod_hash=_current_hash(ctx),
        replicas=pods,
        updated_replicas=ctx.new_rs.actual_replicas if ctx.new_rs is not None else 0,
        ready_replicas=sum(rs.ready_replicas for rs in ctx.all_rss),
        available_replicas=total_available(ctx.all_rss),
        hpa_replicas=pods,
        selector=format_selector(ctx.rollout.selector),
        collision_count=previous.collision_count,
        conditions=previous.conditions,
        canary=CanaryStatus(
            weights=ctx.weights,
            current_step_analysis_run_status=ctx.new_runs.step,
            current_background_analysis_run_status=ctx.new_runs.background,
            current_experiment=ctx.current_experiment,
        ),
        restarted_at=ctx.restarted_at,
        promote_full=previous.promote_full,
        stable_rs=previous.stable_rs,
    )


def format_selector(selector: Body) -> str:
    """Return a label selector as kubectl writes it: ``a=b,c in (d,e),!f``, keys sorted."""
    requirements = {key: f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()}
    texts = sorted(requirements.items())
    for item in selector.get("matchExpressions") or []:
        key, operator = item["key"], item["operator"]
        values = ",".join(sorted(item.get("values") or []))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        texts.append((key, forms.get(operator, f"!{key}")))
    return ",".join(text for _, text in sorted(texts, key=lambda pair: pair[0]))


def persist_status(ctx: Context, status: RolloutStatus) -> None:
    """Write the new status, from v1.10 on with its conditions."""
    if ctx.since_1_10:
        abort_after_progress_deadline(ctx, status)
    status = calculate_pause_status(ctx, status)
    write_status(ctx, calculate_conditions(ctx, status) if ctx.since_1_10 else status)


def _reset_status(ctx: Context, status: RolloutStatus) -> RolloutStatus:
    """Return the status of a new update: no pause, no abort, the first step."""
    ctx.pause.clear()
    steps = ctx.rollout.canary.steps if ctx.rollout.canary else ()
    return replace(
        status,
        promote_full=False,
        blue_green=replace(status.blue_green, scale_up_preview_check_point=False),
        current_step_index=0 if steps else None,
    )


def sync_status_canary(ctx: Context) -> None:
    """Write the new status of a canary, with the next step if the current one is complete."""
    steps = len(ctx.canary.steps)
    status = calculate_base_status(ctx)
    canary_status = replace(status.canary, stable_ping_pong=ctx.status.canary.stable_ping_pong)
    status = replace(status, canary=canary_status, current_step_hash=compute_step_hash(ctx.rollout))
    if pod_template_or_steps_changed(ctx):
        _persist(ctx, _start_update(ctx, status, steps))
        return
    step, index = current_canary_step(ctx.rollout, ctx.status)
    if ctx.status.promote_full or is_rollback_within_window(ctx):
        ctx.pause.clear()
        index = steps or index
    if should_promote_canary(ctx, steps):
        _persist(ctx, promote_stable(ctx, status))
        return
    if ctx.pause.is_aborted:
        if steps:
            index = steps if status.stable_rs == status.current_pod_hash else 0
            status = replace(status, current_step_index=index)
        _persist(ctx, status)
        return
    completed = step is not None and _completed_current_step(ctx)
    if completed and index is not None:
        # After a full promotion the index is behind the last step already; the controller adds one all the same.
        index += 1
        ctx.pause.removed.add(CANARY_PAUSE_STEP)
        status = replace(status, canary=replace(status.canary, current_step_analysis_run_status=None))
    _persist(ctx, replace(status, current_step_index=index))


def _persist(ctx: Context, status: RolloutStatus) -> None:
    persist_status(ctx, status if ctx.since_1_10 else calculate_conditions(ctx, status))


def _start_update(ctx: Context, status: RolloutStatus, steps: int) -> RolloutStatus:
    status = _reset_status(ctx, status)
    new_rs = ctx.new_rs
    if new_rs is None or not steps:
        return status
    back_to_stable = ctx.status.stable_rs == new_rs.pod_template_hash
    if back_to_stable or (is_rollback_within_window(ctx) and new_rs.replicas > 0):
        return replace(status, current_step_index=steps)
    return status


def _completed_current_step(ctx: Context) -> bool:
    if ctx.rollout.paused:
        return False
    step, index = current_canary_step(ctx.rollout, ctx.status)
    if step is None or index is None or ctx.holds_step(index):
        return False
    holds_last_step = ctx.world.holds_last_step and not ctx.skip_pauses
    if holds_last_step and awaits_background_analysis(ctx.rollout, ctx.status, index):
        return False
    if step.pause is not None:
        return completed_canary_pause_step(ctx, step.pause)
    if step.set_weight is not None or step.set_canary_scale is not None:
        return at_desired_replica_counts(ctx, ctx.weights)
    if step.kind == ANALYSIS_STEP and succeeded(ctx.runs.step):
        return True
    if step.kind == EXPERIMENT_STEP:
        return completed_experiment(ctx)
    if is_gate(step):
        return ctx.skip_pauses
    return STEP_KINDS[step.kind].is_route


def promote_stable(ctx: Context, status: RolloutStatus) -> RolloutStatus:
    """Return the status with the current ReplicaSet as the stable one."""
    ctx.pause.clear()
    index, canary = status.current_step_index, status.canary
    if ctx.rollout.canary is not None:
        index = len(ctx.rollout.canary.steps) or None
    if status.stable_rs != status.current_pod_hash:
        canary = replace(canary, stable_ping_pong=next_turn(ctx.rollout, ctx.status))
    scale_workload_on_success(ctx)
    return replace(
        status,
        current_step_index=index,
        canary=canary,
        promote_full=False,
        blue_green=replace(status.blue_green, scale_up_preview_check_point=False),
        stable_rs=status.current_pod_hash,
    )


def sync_status_blue_green(ctx: Context) -> None:
    """Write the new status of a blue-green release."""
    blue_green = ctx.blue_green
    status = calculate_base_status(ctx)
    if pod_template_changed(ctx):
        status = _reset_status(ctx, status)
    if ctx.status.promote_full or is_rollback_within_window(ctx):
        ctx.pause.clear()
    active = selected_hash(ctx.world.service(blue_green.active_service))
    preview = selected_hash(ctx.world.service(blue_green.preview_service)) if blue_green.preview_service else ""
    runs = ctx.new_runs
    status = replace(status, blue_green=BlueGreenStatus(preview, active, False, runs.pre, runs.post))
    if should_promote_blue_green(ctx, status):
        status = promote_stable(ctx, status)
    else:
        check_point = calculate_scale_up_preview_check_point(ctx)
        status = replace(status, blue_green=replace(status.blue_green, scale_up_preview_check_point=check_point))
    active_rs = find_by_hash(ctx.all_rss, active)
    if active_rs is not None:
        status = replace(
            status,
            hpa_replicas=active_rs.actual_replicas,
            selector=format_selector(active_rs.selector),
            available_replicas=active_rs.available_replicas,
            ready_replicas=active_rs.ready_replicas,
        )
    _persist(ctx, status)
