"""The AnalysisRuns that a release waits for: which are open, what they measure, and their results in the status.

Source: ``rollout/analysis.go`` (the names, the arguments and the templates of each run).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.experiment import TEMPLATE_ANNOTATION, belongs_to_experiment
from renderer.rollouts.controller.experiment_runs import experiment_runs
from renderer.rollouts.controller.gates import is_running
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.rollout import HASH_LABEL, Rollout
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.strategy_status import AnalysisRunStatus
from renderer.rollouts.model.world import World

if TYPE_CHECKING:
    from renderer.rollouts.analysis.run import RunSpec
    from renderer.rollouts.analysis.templates import Lookup

STEP, BACKGROUND = "current_step_analysis_run_status", "current_background_analysis_run_status"
PRE_PROMOTION, POST_PROMOTION = "pre_promotion_analysis_run_status", "post_promotion_analysis_run_status"
EXPERIMENT = "current_experiment"
CANARY_RUNS, BLUE_GREEN_RUNS = (STEP, BACKGROUND), (PRE_PROMOTION, POST_PROMOTION)


class OpenRun(Struct, frozen=True):
    """A run without a result: its field in the status, its name, and the Rollout's ``analysis`` that asks for it."""

    field: str
    name: str
    analysis: Body


def runs_of(status: RolloutStatus) -> Iterator[tuple[str, AnalysisRunStatus]]:
    """Yield the runs in a status, each with its field."""
    for part, fields in ((status.canary, CANARY_RUNS), (status.blue_green, BLUE_GREEN_RUNS)):
        for field in fields:
            run: AnalysisRunStatus | None = getattr(part, field)
            if run is not None:
                yield field, run


def open_runs(world: World) -> tuple[OpenRun, ...]:
    """Return the runs without a result, in the order of the status, and those of the current experiment."""
    rollout, status = world.rollout, world.status
    found = [
        OpenRun(field, run.name, _analysis(rollout, status, field)) for field, run in runs_of(status) if is_running(run)
    ]
    of_experiment = (item for item in experiment_runs(world) if item.is_open)
    found += [OpenRun(EXPERIMENT, item.name, _analysis_of_experiment(world, item.analysis)) for item in of_experiment]
    return tuple(found)


def _analysis_of_experiment(world: World, analysis: Body) -> Body:
    """Return an experiment's analysis as that of a step, with the experiment's own values in its arguments."""
    arguments = analysis.get("args") or ()
    if not any("{{" in str(argument.get("value")) for argument in arguments):
        return {"templates": [analysis], "args": arguments}
    # Slow to import, and for such experiments only.
    from renderer.rollouts.analysis.arguments import experiment_values, substitute

    sets = {
        body["metadata"]["annotations"][TEMPLATE_ANNOTATION]: body["metadata"]
        for key, body in world.objects.items()
        if key.kind == "ReplicaSet" and belongs_to_experiment(body)
    }
    hashes = {name: str(metadata["labels"][HASH_LABEL]) for name, metadata in sets.items()}
    values = experiment_values(hashes, {name: str(metadata["name"]) for name, metadata in sets.items()})
    filled = [
        {**item, "value": substitute(str(item["value"]), values)} if item.get("value") is not None else item
        for item in arguments
    ]
    return {"templates": [analysis], "args": filled}


def analyses_of(rollout: Rollout) -> Iterator[tuple[tuple[str | int, ...], Body]]:
    """Yield every analysis that a Rollout asks for in a release, with its path below ``spec``; experiments' as well."""
    if rollout.canary is not None:
        if rollout.canary.analysis is not None:
            yield ("strategy", "canary", "analysis"), rollout.canary.analysis
        for index, step in enumerate(rollout.canary.steps):
            path: tuple[str | int, ...] = ("strategy", "canary", "steps", index)
            if step.body.get("analysis") is not None:
                yield (*path, "analysis"), step.body["analysis"]
            for number, item in enumerate((step.body.get("experiment") or {}).get("analyses") or ()):
                own: dict[str, Any] = {"templates": [item], "args": item.get("args") or ()}
                yield (*path, "experiment", "analyses", number), own
    if rollout.blue_green is not None:
        for name in ("prePromotionAnalysis", "postPromotionAnalysis"):
            if rollout.blue_green.body.get(name) is not None:
                yield ("strategy", "blueGreen", name), rollout.blue_green.body[name]


def spec_of_run(rollout: Rollout, status: RolloutStatus, analysis: Body, lookup: Lookup) -> RunSpec:
    """Return the spec of the run of an analysis; raise ``InvalidAnalysisError`` where the controller makes none."""
    # Slow to import, and for releases that are measured only.
    from renderer.rollouts.analysis.arguments import arguments_from_rollout
    from renderer.rollouts.analysis.templates import run_of_templates

    arguments = arguments_from_rollout(
        analysis.get("args") or (),
        rollout.body,
        stable_hash=status.stable_rs,
        latest_hash=status.current_pod_hash,
    )
    templates, rules = analysis.get("templates") or (), (analysis.get("dryRun"), analysis.get("measurementRetention"))
    return run_of_templates(templates, lookup, arguments, *(rule or () for rule in rules))


def with_result(status: RolloutStatus, field: str, run: AnalysisRunStatus | None) -> RolloutStatus:
    """Return the status with another run in a field."""
    if field == EXPERIMENT:
        # The status of a Rollout has no result of an experiment's analyses.
        return status
    if field in CANARY_RUNS:
        return replace(status, canary=replace(status.canary, **{field: run}))
    return replace(status, blue_green=replace(status.blue_green, **{field: run}))


def _analysis(rollout: Rollout, status: RolloutStatus, field: str) -> Body:
    body: Body | None = None
    if rollout.blue_green is not None:
        is_first = field == PRE_PROMOTION
        body = rollout.blue_green.pre_promotion_analysis if is_first else rollout.blue_green.post_promotion_analysis
    elif field == BACKGROUND:
        body = rollout.canary.analysis if rollout.canary is not None else None
    else:
        step, _ = current_canary_step(rollout, status)
        body = step.body.get(step.kind) if step is not None else None
    return body or {}


def template_lookup(templates: Mapping[tuple[str, bool], Body]) -> Lookup:
    """Return the templates by their names, and whether each is a ClusterAnalysisTemplate."""
    return lambda name, is_cluster: templates.get((name, is_cluster))
