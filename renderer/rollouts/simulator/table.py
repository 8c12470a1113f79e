"""The outcome of a simulation as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renderer.kubernetes.printing import text_table
from renderer.rollouts.analysis.run import RunStatus
from renderer.rollouts.info import roles
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.scenario import Frame

HEADER = ("ACTION", "PHASE", "STEP", "REPLICASET", "REV", "ROLE", "PODS", "AVAILABLE", "WEIGHT")

RUN_HEADER = ("METRIC", "PHASE", "COUNT", "SUCCESSFUL", "FAILED", "INCONCLUSIVE", "ERROR", "MESSAGE")


def to_table(frames: Sequence[Frame]) -> str:
    """Return a table with a row for each ReplicaSet of each frame."""
    rows: list[Sequence[str]] = [HEADER]
    for frame in frames:
        rows += _rows(frame)
    return text_table(rows)


def run_table(status: RunStatus) -> str:
    """Return a table with the run and a row for each of its metrics."""
    rows: list[Sequence[str]] = [RUN_HEADER, ("", status.phase, "", "", "", "", "", status.message)]
    for result in status.metric_results:
        counts = (result.count, result.successful, result.failed, result.inconclusive, result.error)
        name = f"{result.name} (dry run)" if result.dry_run else result.name
        rows.append((name, result.phase, *map(str, counts), result.message))
    return text_table(rows)


def conditions_table(phases: Sequence[Mapping[str, str]]) -> str:
    """Return a table with a row for each evaluation."""
    rows: list[Sequence[str]] = [("LINE", "PHASE", "ERROR")]
    rows += [(str(number), line["phase"], line.get("error", "")) for number, line in enumerate(phases, 1)]
    return text_table(rows)


def _rows(frame: Frame) -> list[tuple[str, ...]]:
    world = frame.world
    status = world.status
    phase = status.phase + (f": {status.message}" if status.message else "")
    steps = len(world.rollout.canary.steps) if world.rollout.canary else 0
    step = f"{status.current_step_index or 0}/{steps}" if steps else "-"
    head = (action_text(frame.action), f"refused: {frame.rejected}" if frame.rejected else phase, step)
    rows: list[tuple[str, ...]] = []
    for rs in sorted(world.replica_sets, key=lambda rs: rs.revision, reverse=True):
        cells = (
            rs.name,
            str(rs.revision),
            ",".join(roles(world, rs)) or "-",
            str(rs.replicas),
            str(rs.available_replicas),
        )
        rows.append((*head, *cells, _weight(world, rs)))
        head = ("", "", "")
    return rows or [(*head, "", "", "", "", "", "")]


def action_text(action: Any) -> str:
    """Return an action as in the scenario, on one line."""
    return action if isinstance(action, str) else json.dumps(action, ensure_ascii=False)[1:-1].replace('"', "")


def _weight(world: World, rs: ReplicaSet) -> str:
    weights = world.status.canary.weights
    if weights is None:
        return "-"
    destinations = (weights.canary, weights.stable)
    shares = [item.weight for item in destinations if item.pod_template_hash == rs.pod_template_hash]
    return str(sum(shares)) if shares else "-"
