"""Gates: the analyses, plugins and experiments of a release, which a result or a person ends."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import STEP_KINDS, CanaryStep
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.strategy_status import AnalysisRunStatus

ANALYSIS_STEP, PLUGIN_STEP, EXPERIMENT_STEP = "analysis", "plugin", "experiment"
BACKGROUND_ANALYSIS = "background analysis"
PRE_PROMOTION_ANALYSIS, POST_PROMOTION_ANALYSIS = "prePromotionAnalysis", "postPromotionAnalysis"


def is_gate(step: CanaryStep) -> bool:
    """Return whether a person decides when the step ends."""
    return STEP_KINDS[step.kind].is_gate


def is_running(run: AnalysisRunStatus | None) -> bool:
    """Return whether a run has no result yet."""
    return run is not None and run.status in ("", "Pending", "Running")


def open_gate(rollout: Rollout, status: RolloutStatus, *, holds_last_step: bool = True) -> str:
    """Return the field name of the gate that the release waits at; empty if it waits at none.

    A gate is the current step, an analysis of a blue-green release, or, with ``holds_last_step`` at the last step, the
    background analysis: as in the controller, earlier steps complete while that runs.
    """
    if status.abort or not status.stable_rs or status.stable_rs == status.current_pod_hash:
        return ""
    if rollout.blue_green is not None:
        if is_running(status.blue_green.pre_promotion_analysis_run_status):
            return PRE_PROMOTION_ANALYSIS
        return POST_PROMOTION_ANALYSIS if is_running(status.blue_green.post_promotion_analysis_run_status) else ""
    step, index = current_canary_step(rollout, status)
    if step is None or index is None:
        return ""
    if is_gate(step) or step.kind == EXPERIMENT_STEP:
        return step.kind
    awaits = holds_last_step and awaits_background_analysis(rollout, status, index)
    return BACKGROUND_ANALYSIS if awaits else ""


def gate_names(rollout: Rollout, status: RolloutStatus, gate: str) -> tuple[str, ...]:
    """Return the names of a gate's analysis templates, plugin, or experiment templates and analyses."""
    body: Body | None
    if rollout.blue_green is not None:
        body = rollout.blue_green.body.get(gate)
    elif gate == BACKGROUND_ANALYSIS:
        body = rollout.canary.analysis if rollout.canary is not None else None
    else:
        step, _ = current_canary_step(rollout, status)
        body = step.body.get(step.kind) if step is not None else None
    if gate == PLUGIN_STEP:
        return (str((body or {}).get("name", "")),)
    if gate == EXPERIMENT_STEP:
        items = [*((body or {}).get("templates") or ()), *((body or {}).get("analyses") or ())]
        return tuple(str(item.get("name", "")) for item in items)
    return tuple(str(item.get("templateName", "")) for item in (body or {}).get("templates") or ())


def awaits_background_analysis(rollout: Rollout, status: RolloutStatus, index: int) -> bool:
    """Return whether the step with this index is the last, and awaits the result of the background analysis.

    A pause ended by a person counts as that result.
    """
    assert rollout.canary is not None
    steps = rollout.canary.steps
    by_hand = steps[index].pause is not None and status.controller_pause and not status.pause_conditions
    run = status.canary.current_background_analysis_run_status
    return index + 1 == len(steps) and is_running(run) and not by_hand
