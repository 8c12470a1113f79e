"""``status``: one row for a release."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef, Home, orphan_finding
from renderer.pipeline.resolve.describe import current_replica_set, wait_text, waiting_text
from renderer.pipeline.resolve.moves import Wait, is_between_phases, steps_of, wait
from renderer.pipeline.resolve.waiting import waiting_version, with_running_template
from renderer.rollouts.controller.gates import open_gate
from renderer.rollouts.controller.timing import pause_end
from renderer.rollouts.info import traffic_weight
from renderer.rollouts.model.world import World

STATUS_COLUMNS = {
    "ENV": "environment",
    "APP": "app",
    "STATUS": "phase",
    "STEP": "step",
    "WEIGHT": "weight",
    "REVISION": "revision",
    "MESSAGE": "message",
}
"""The header of each column and the key of its value."""
ORPHANED = "Orphaned"
"""The phase of an app that is still applied and has no manifests."""


def orphan_row(home: Home) -> dict[str, Any]:
    """Return the row of an app that has lost its manifests."""
    found = orphan_finding(home)
    row: dict[str, Any] = {"environment": home.ref.environment, "app": home.ref.name, "phase": ORPHANED}
    row |= dict.fromkeys(("step", "weight", "revision", "message", "until", "waitingVersion"))
    return row | {"message": f"{found.message}: {found.hint}"}


def status_row(ref: AppRef, world: World, known: Wait | None = None) -> dict[str, Any]:
    """Return the row of a release by the keys of ``STATUS_COLUMNS`` and ``until``; missing values are None.

    ``weight`` is that of the newest ReplicaSet.  ``known`` is what git's history knows of the release (``waits_of``).
    """
    row: dict[str, Any] = {"environment": ref.environment, "app": ref.name, "phase": "Unknown"}
    row |= dict.fromkeys(("step", "weight", "revision", "message", "until", "waitingVersion"))
    version = waiting_version(world)
    world = with_running_template(world)
    status = world.status
    if not world.replica_sets:
        row["message"] = "not rendered yet: rollstep advance makes the first commit"
        return row
    newest = current_replica_set(world)
    steps = steps_of(world)
    reason = known or wait(world)
    row["phase"] = status.phase
    if steps:
        row["step"] = f"{status.current_step_index or 0}/{len(steps)}"
    if newest is not None:
        row["weight"] = traffic_weight(world, newest)
    row["revision"] = world.rollout.revision
    is_waiting = known or status.pause_conditions or world.rollout.paused or open_gate(world.rollout, status)
    row["message"] = wait_text(reason, world) if is_waiting else status.message
    end = pause_end(world)
    if known is None and end is not None and end <= world.now:
        row["message"] = f"the pause is over since {format_time(end)}: `rollstep advance` goes on"
    if known is None and world.in_phases and is_between_phases(world):
        row["message"] = f"{world.phase or 'committed'}: the next phase follows when this is live"
    if reason.until is not None:
        row["until"] = format_time(reason.until)
    if version:
        row["waitingVersion"] = version
        row["message"] = "; ".join(filter(None, (row["message"], waiting_text(version, ref.target))))
    return row
