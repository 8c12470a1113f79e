"""``status``: one row for a release."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef, Home, orphan_finding
from renderer.pipeline.resolve.describe import current_replica_set, phase_of, waiting_text
from renderer.pipeline.resolve.moves import Wait, steps_of
from renderer.pipeline.resolve.waiting import waiting_version, with_running_template
from renderer.rollouts.info import traffic_weight
from renderer.rollouts.model.world import World
from renderer.verbs.show.tree import NOT_RENDERED, message_of, reason_of, weight_cell

COLUMNS = ("ENV", "APP", "STATUS", "STEP", "WEIGHT", "REVISION", "MESSAGE")
ORPHANED = "Orphaned"
"""The phase of an app that is still applied and has no manifests."""
_UNKNOWN = dict.fromkeys(("currentStepIndex", "weight", "revision", "reason", "until"))


def orphan_row(home: Home) -> dict[str, Any]:
    """Return the row of an app that has lost its manifests, with the keys of ``status_row``."""
    found = orphan_finding(home)
    return {
        "app": home.ref.name,
        "environment": home.ref.environment,
        "phase": ORPHANED,
        **_UNKNOWN,
        "steps": 0,
        "message": f"{found.message}: {found.hint}",
        "waitingVersion": None,
        "quarantine": None,
    }


def status_row(ref: AppRef, world: World, known: Wait | None = None, quarantine: str = "") -> dict[str, Any]:
    """Return the state of a release as JSON-ready data; missing values are None.

    ``weight`` is that of the newest ReplicaSet.  ``known`` is what git's history knows of the release (``waits_of``),
    ``quarantine`` the text of ``waiting_image_text``.
    """
    version = waiting_version(world)
    world = with_running_template(world)
    newest, steps, reason = current_replica_set(world), steps_of(world), reason_of(world, known)
    row: dict[str, Any] = {
        "app": ref.name,
        "environment": ref.environment,
        "phase": phase_of(world),
        "currentStepIndex": (world.status.current_step_index or 0) if steps else None,
        "steps": len(steps),
        "weight": None if newest is None else traffic_weight(world, newest),
        "revision": world.rollout.revision,
        "reason": reason.reason or None,
        "message": message_of(world, ref.target, known) or None,
        "until": None if reason.until is None else format_time(reason.until),
        "waitingVersion": version or None,
        "quarantine": quarantine or None,
    }
    if not world.replica_sets:
        row |= {**_UNKNOWN, "phase": "Unknown", "message": NOT_RENDERED.format(ref.target)}
    return row


def status_cells(row: dict[str, Any], target: str, out_of: int = 0) -> list[str]:
    """Return the cells of a row of ``status_row`` for people, one for each of ``COLUMNS``.

    With ``out_of``, which is what the weight is out of, the weight has a bar.
    """
    index, version = row["currentStepIndex"], row["waitingVersion"]
    quarantine = row["quarantine"]
    waiting = waiting_text(version, target, quarantine or "") if version else quarantine
    values = (
        row["environment"],
        row["app"],
        row["phase"],
        None if index is None else f"{index}/{row['steps']}",
        None if row["weight"] is None else weight_cell(row["weight"], out_of),
        row["revision"],
        "; ".join(filter(None, (row["message"], waiting))),
    )
    return ["" if value is None else str(value) for value in values]
