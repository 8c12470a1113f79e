"""The staircase of a release as values: the weight and the pods of each version, commit by commit."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from renderer.rollouts.controller.gates import EXPERIMENT_STEP
from renderer.verbs.show.plan import Plan, PlannedReplicaSet, PlannedStep

NEW, STABLE, OLD = "new", "stable", "old"
"""The kinds of versions: the one that the release ends with, the stable one now, and all others."""
PERSON, TIME, ANALYSIS, EXPERIMENT, LIVE = "person", "time", "analysis", "experiment", "live"
"""The ends of a wait: a promotion, a time, the result of an analysis or an experiment, and that a commit is live."""
_ANALYSES = ("nalysis", "plugin")


class Version(Struct, frozen=True):
    """A ReplicaSet of the plan, with its version, or the hash in its name if another one has the same version."""

    name: str
    label: str
    kind: str


class Share(Struct, frozen=True):
    """The weight of a version out of the staircase's ``max_weight``, and its pods, as a number and for people."""

    version: Version
    weight: int
    pods: int
    pods_text: str


class Stair(Struct, frozen=True):
    """A commit: the shares after it, newest version first, and what it waits for.

    ``step`` is ``1/6``, empty without steps.  ``action`` is empty for the commit that runs ``is_now``.  ``until`` is
    the condition on which the release goes on, ``wait`` its kind, empty at the end.
    """

    step: str
    action: str
    shares: tuple[Share, ...]
    peak_pods: int
    phase: str
    starts: str
    until: str
    wait: str
    gates: tuple[str, ...]
    is_now: bool = False

    @property
    def pods(self) -> int:
        """The number of pods after the commit."""
        return sum(share.pods for share in self.shares)


class Staircase(Struct, frozen=True):
    """The release of an app: all its stairs, the first of which ``is_now`` if anything runs."""

    app: str
    environment: str
    summary: str
    versions: tuple[Version, ...]
    max_weight: int
    peak_pods: int
    stairs: tuple[Stair, ...]

    @property
    def title(self) -> str:
        """The app, its environment and the versions from and to which the release goes."""
        ends = [version.label for kind in (STABLE, NEW) for version in self.versions if version.kind == kind]
        return f"{self.app} ({self.environment}): {' → '.join(ends) or 'nothing runs'}"

    def percent(self, weight: int) -> str:
        """Return a weight in percent: ``20%``, ``0.5%``."""
        return f"{weight * 100 / self.max_weight:.3g}%"


def staircase(app: str, environment: str, plan: Plan) -> Staircase:
    """Return the staircase of the plan of ``app``."""
    rows = [*([plan.now] if plan.now else []), *plan.commits]
    versions = {version.name: version for version in _versions(plan, rows)}
    stairs = tuple(_stair(row, plan, versions, is_now=row is plan.now) for row in rows)
    peak = max((stair.peak_pods for stair in stairs), default=0)
    return Staircase(app, environment, plan.summary, tuple(versions.values()), plan.max_traffic_weight, peak, stairs)


def _versions(plan: Plan, rows: list[PlannedStep]) -> Iterable[Version]:
    """Return the versions of all rows: the new one, the stable one, others."""
    known = {rs.name: rs for row in rows for rs in row.replica_sets}
    labels = [rs.version for rs in known.values()]
    stable = _stable(plan.now)
    new = _stable(rows[-1]) if rows else ""
    kinds = dict.fromkeys(known, OLD) | {stable: STABLE} | ({new: NEW} if new != stable else {})
    for name in sorted(known, key=lambda name: (NEW, STABLE, OLD).index(kinds[name])):
        is_unique = labels.count(known[name].version) == 1
        yield Version(name, known[name].version if is_unique else name.rpartition("-")[2], kinds[name])


def _stable(row: PlannedStep | None) -> str:
    """Return the name of the stable ReplicaSet, else of the one that gets the traffic; empty if nothing runs."""
    found = [rs for rs in (row.replica_sets if row else ()) if {"stable", "active"} & {*rs.roles}]
    return max(found, key=lambda rs: "stable" in rs.roles).name if found else ""


def _stair(row: PlannedStep, plan: Plan, versions: dict[str, Version], *, is_now: bool) -> Stair:
    by_kind = sorted(row.replica_sets, key=lambda rs: [*versions].index(rs.name))
    return Stair(
        step="" if row.current_step_index is None else f"{row.current_step_index}/{plan.steps}",
        action=row.action,
        shares=tuple(_share(rs, versions) for rs in by_kind),
        peak_pods=row.peak_pods,
        phase=row.phase,
        starts=row.starts,
        until="" if row.ends == "complete" else row.ends,
        wait=_wait(row),
        gates=row.gates,
        is_now=is_now,
    )


def _share(replica_set: PlannedReplicaSet, versions: dict[str, Version]) -> Share:
    return Share(versions[replica_set.name], replica_set.weight, replica_set.replicas, replica_set.pods)


def _wait(row: PlannedStep) -> str:
    if row.ends in ("complete", "now", ""):
        return ""
    if row.reason == EXPERIMENT_STEP:
        return EXPERIMENT
    if any(part in row.reason for part in _ANALYSES) and row.gates:
        return ANALYSIS
    if row.ends.startswith("after "):
        return TIME
    return PERSON if row.ends == "promote" else LIVE
