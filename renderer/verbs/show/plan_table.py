"""The table of a plan: a row for each commit to come."""

from __future__ import annotations

from renderer.kubernetes.printing import text_table
from renderer.verbs.show.planned import Plan, PlannedReplicaSet

HEADER = ("STEP", "ACTION", "STABLE", "CANARY", "OLD", "WEIGHT", "PEAK PODS", "STARTS", "ENDS")


def plan_text(plan: Plan) -> str:
    """Return the plan as an aligned table."""
    return text_table(_cells(plan))


def _cells(plan: Plan) -> list[tuple[str, ...]]:
    newer = "PREVIEW" if plan.strategy == "BlueGreen" else "CANARY"
    rows = [tuple(newer if cell == "CANARY" else cell for cell in HEADER)]
    labels = plan.labels
    for step in plan.commits:
        stable = [rs for rs in step.replica_sets if "stable" in rs.roles]
        new = [rs for rs in step.replica_sets if rs.roles and rs not in stable]
        old = [rs for rs in step.replica_sets if not rs.roles]
        rows.append(
            (
                "" if step.current_step_index is None else f"{step.current_step_index}/{plan.steps}",
                step.action,
                *(_pods(group, labels) for group in (stable, new, old)),
                "/".join(str(sum(rs.weight for rs in group)) for group in (stable, new)),
                str(step.peak_pods),
                step.starts,
                step.ends,
            )
        )
    return rows


def _pods(replica_sets: list[PlannedReplicaSet], labels: dict[str, str]) -> str:
    return ", ".join(f"{rs.pods} of {labels[rs.name]}" for rs in replica_sets) or "-"
