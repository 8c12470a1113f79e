"""The AnalysisRuns of the current step's experiment, and their results (``experiments/experiment.go``).

Git has no Experiment: the runs that were measured for it have its results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import parse_time
from renderer.rollouts.controller.gates import EXPERIMENT_STEP
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.world import World


class ExperimentRun(Struct, frozen=True):
    """An analysis of the experiment: its entry in the step, its first name, and its last run, None before that."""

    analysis: Body
    name: str
    run: Body | None

    @property
    def phase(self) -> str:
        """The phase of its last run; empty before that."""
        return str(self.run["status"]["phase"]) if self.run is not None else ""

    @property
    def is_open(self) -> bool:
        """True if it has no result."""
        return self.phase in ("", "Pending", "Running")

    @property
    def is_required(self) -> bool:
        """True if the experiment ends with its success."""
        return bool(self.analysis.get("requiredForCompletion"))


def experiment_runs(world: World) -> tuple[ExperimentRun, ...]:
    """Return the analyses of the current step's experiment; none where analyses wait for a person."""
    experiment = world.status.canary.current_experiment
    if not experiment or not world.is_measured:
        return ()
    step, _ = current_canary_step(world.rollout, world.status)
    if step is None or step.kind != EXPERIMENT_STEP:
        return ()
    found = []
    for analysis in step.body[step.kind].get("analyses") or ():
        name = f"{experiment}-{analysis.get('name')}"
        runs = list(_named(world, name))
        found.append(ExperimentRun(analysis, name, runs[-1] if runs else None))
    return tuple(found)


def _named(world: World, name: str) -> Iterator[Body]:
    """Yield the runs of a name that began with the current experiment: a retry begins another one of its name."""
    for run in world.analysis_runs:
        metadata: dict[str, Any] = run["metadata"]
        is_named = metadata["name"] == name or str(metadata["name"]).startswith(f"{name}.")
        started, since = run["status"].get("startedAt"), world.experiment_since
        if is_named and (started is None or since is None or parse_time(started) >= since):
            yield run
