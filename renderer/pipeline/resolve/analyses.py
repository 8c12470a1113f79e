"""The AnalysisRuns of a release that a commit keeps, and whether any of them asks to be measured."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body
from renderer.pipeline.load.status_file import stored_status
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.resolve.ordering.phases import is_half_shifted
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts.controller.analysis_runs import open_runs
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import World

ANALYZE = "analyze"
"""The verb of a commit whose measurements take the release no further."""


def asks_for_measurements(world: World) -> bool:
    """Return whether analyses of the running release are measured now.

    They are not between the two halves of a shift, where no verdict could take the release back.
    """
    status = world.status
    if not world.is_measured or world.rollout.paused or status.abort or is_half_shifted(world):
        return False
    return bool(open_runs(with_running_template(world)))


def keeps_time(move: Move) -> bool:
    """Return whether a move only keeps measurements, so that the status stays as it is."""
    return stored_status(move.before.status) == stored_status(move.after.status)


def runs_after(before: World, after: World) -> tuple[Body, ...]:
    """Return the AnalysisRuns that a commit keeps: those of the current release, until the next one begins.

    A run that the release no longer waits for is terminated, as by the controller.
    """
    if _is_other_release(before.status, after.status):
        return ()
    if not after.analysis_runs:
        return ()
    # Loads the engine of analyses, which other releases do not need.
    from renderer.pipeline.resolve.measured import terminated

    open_names = {run.name for run in open_runs(with_running_template(after))}
    return tuple(
        run if run["metadata"]["name"] in open_names else terminated(run, after.now) for run in after.analysis_runs
    )


def _is_other_release(before: RolloutStatus, after: RolloutStatus) -> bool:
    """Return whether another release has begun, or the status moved on after the end of the release.

    A render, which moves nothing, keeps the runs of a release that is over.
    """
    was_over = bool(before.stable_rs) and before.stable_rs == before.current_pod_hash
    is_moved = stored_status(before) != stored_status(after)
    return (was_over and is_moved) or before.current_pod_hash != after.current_pod_hash
