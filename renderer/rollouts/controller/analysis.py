"""Analysis runs in the status, and the effect of their results (``rollout/analysis.go``).

No AnalysisRun exists and nothing is measured: a run stays Running until a person records its result.
"""

from __future__ import annotations

from msgspec.structs import astuple, replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.context import AnalysisRuns, Context, hash_of
from renderer.rollouts.controller.gates import is_running
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.controller.revisions import is_fast_rollback, is_rollback_within_window, is_saturated
from renderer.rollouts.model.strategy_status import AnalysisRunStatus

INCONCLUSIVE = "InconclusiveAnalysis"
SUCCESSFUL = "Successful"
TERMINATED = "Run Terminated"
"""The message of a terminated run, whose phase is Successful."""


def reconcile_analysis_runs(ctx: Context) -> None:
    """Start the runs that are due; pause or abort by the results of the others."""
    if _skips_analysis(ctx):
        runs = AnalysisRuns(*(_terminated(run) for run in astuple(ctx.runs)))
        # From v1.10 on the status keeps those of a blue-green release only.
        ctx.set_analysis_runs(replace(runs, step=None, background=None) if ctx.since_1_10 else runs)
    elif ctx.rollout.canary is not None:
        ctx.set_analysis_runs(AnalysisRuns(step=_step_run(ctx), background=_background_run(ctx)))
    else:
        pre, post = _pre_promotion_run(ctx), _post_promotion_run(ctx)
        _apply_result(ctx, pre, "Blue/green pre-promotion analysis")
        _apply_result(ctx, post, "Blue/green post-promotion analysis")
        ctx.set_analysis_runs(AnalysisRuns(pre=pre, post=post))


def completed_pre_promotion_analysis(ctx: Context) -> bool:
    """Return whether the pre-promotion analysis, if any, was successful."""
    return ctx.skip_pauses or ctx.blue_green.pre_promotion_analysis is None or succeeded(ctx.runs.pre)


def keeps_old_replica_sets(ctx: Context) -> bool:
    """Return whether old pods stay for the post-promotion analysis, which has no result yet."""
    blue_green = ctx.blue_green
    if blue_green.post_promotion_analysis is None or blue_green.scale_down_delay_seconds is not None:
        return False
    return not _skips_post_promotion(ctx) and not succeeded(ctx.runs.post)


def succeeded(run: AnalysisRunStatus | None) -> bool:
    """Return whether a run was successful.

    A terminated run was not, although the controller takes its phase for that: a retry soon after an abort would skip
    the analysis.
    """
    return run is not None and run.status == SUCCESSFUL and run.message != TERMINATED


def _skips_analysis(ctx: Context) -> bool:
    if ctx.pause.is_aborted or ctx.status.promote_full or not ctx.status.stable_rs:
        return True
    if ctx.since_1_10:
        return ctx.is_fully_promoted or is_fast_rollback(ctx)
    back = ctx.new_rs is not None and ctx.new_rs.has_scale_down_deadline
    return back or is_rollback_within_window(ctx)


def _terminated(run: AnalysisRunStatus | None) -> AnalysisRunStatus | None:
    return replace(run, status=SUCCESSFUL, message=TERMINATED) if run is not None and is_running(run) else run


def _step_run(ctx: Context) -> AnalysisRunStatus | None:
    step, index = current_canary_step(ctx.rollout, ctx.status)
    run = ctx.runs.step
    if ctx.status.pause_conditions or ctx.status.abort:
        return run
    if step is None or step.kind != "analysis" or not _has_templates(step.body[step.kind]):
        return None
    if run is not None and not _is_named(run, _name(ctx, str(index))):
        # The run belongs to the step before; the next pass starts this step's.
        return None
    if _needs_new_run(ctx, run):
        return _new_run(run, _name(ctx, str(index)))
    _apply_result(ctx, run, "Step-based analysis")
    return run


def _background_run(ctx: Context) -> AnalysisRunStatus | None:
    analysis, run = ctx.canary.analysis, ctx.runs.background
    if not _has_templates(analysis) or ctx.is_fully_promoted or not ctx.status.current_pod_hash:
        return None
    _, index = current_canary_step(ctx.rollout, ctx.status)
    starting_step = (analysis or {}).get("startingStep")
    if starting_step is not None and index is not None and index < starting_step:
        return None
    if ctx.status.pause_condition(INCONCLUSIVE) is not None:
        return run
    if _needs_new_run(ctx, run):
        return _new_run(run, _name(ctx))
    _apply_result(ctx, run, "Background analysis")
    return run


def _pre_promotion_run(ctx: Context) -> AnalysisRunStatus | None:
    run = ctx.runs.pre
    if not _has_templates(ctx.blue_green.pre_promotion_analysis):
        return None
    active = ctx.status.blue_green.active_selector
    is_over = active in ("", hash_of(ctx.new_rs)) or ctx.status.stable_rs == hash_of(ctx.new_rs)
    if is_over or (run is None and not _preview_is_complete(ctx)) or ctx.status.pause_condition(INCONCLUSIVE):
        return run
    return _new_run(run, _name(ctx, "pre")) if _needs_new_run(ctx, run) else run


def _preview_is_complete(ctx: Context) -> bool:
    assert ctx.new_rs is not None
    count = ctx.blue_green.preview_replica_count
    if count is None:
        return is_saturated(ctx.rollout, ctx.new_rs)
    return ctx.new_rs.replicas == count == ctx.new_rs.available_replicas


def _post_promotion_run(ctx: Context) -> AnalysisRunStatus | None:
    run = ctx.runs.post
    if not _has_templates(ctx.blue_green.post_promotion_analysis):
        return None
    if _skips_post_promotion(ctx) or ctx.status.pause_condition(INCONCLUSIVE):
        return run
    return _new_run(run, _name(ctx, "post")) if _needs_new_run(ctx, run) else run


def _skips_post_promotion(ctx: Context) -> bool:
    current = hash_of(ctx.new_rs)
    if ctx.status.stable_rs == current or ctx.status.blue_green.active_selector != current or ctx.new_rs is None:
        return True
    return ctx.runs.post is None and not is_saturated(ctx.rollout, ctx.new_rs)


def _has_templates(analysis: Body | None) -> bool:
    return bool(analysis and analysis.get("templates"))


def _needs_new_run(ctx: Context, run: AnalysisRunStatus | None) -> bool:
    """Return whether to start a run: the first, after a retry, or after a person resumed an inconclusive one."""
    if run is None or run.message == TERMINATED:
        return True
    status = ctx.status
    paused_by_step = any(status.pause_condition(reason) for reason in ("CanaryPauseStep", "BlueGreenPause"))
    if status.controller_pause and not paused_by_step:
        return run.status == "Inconclusive"
    return status.aborted_at is not None


def _name(ctx: Context, infix: str = "") -> str:
    parts = (ctx.rollout.name, hash_of(ctx.new_rs), str(ctx.rollout.revision), infix)
    return "-".join(part for part in parts if part)


def _is_named(run: AnalysisRunStatus, name: str) -> bool:
    return run.name == name or run.name.startswith(f"{name}.")


def _new_run(before: AnalysisRunStatus | None, name: str) -> AnalysisRunStatus:
    """Return a running run; a number makes its name differ from that of the run before."""
    if before is not None and _is_named(before, name):
        count = int(before.name.removeprefix(name).removeprefix(".") or 0)
        name = f"{name}.{count + 1}"
    return AnalysisRunStatus(name, "Running")


def _apply_result(ctx: Context, run: AnalysisRunStatus | None, subject: str) -> None:
    if run is None:
        return
    if run.status == "Inconclusive":
        ctx.pause.added.append(INCONCLUSIVE)
    elif run.status in ("Error", "Failed"):
        ctx.pause.abort(f"{subject} phase error/failed" + (f": {run.message}" if run.message else ""))
