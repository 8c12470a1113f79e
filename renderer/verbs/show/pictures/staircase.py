"""The staircase of a release as values: the weight and the pods of each version, commit by commit."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from renderer.rollouts.controller.gates import EXPERIMENT_STEP, PLUGIN_STEP
from renderer.verbs.show.planned import EXPERIMENT, Plan, PlannedReplicaSet, PlannedStep

NEW, STABLE, OLD = "new", "stable", "old"
"""The kinds of versions: the one that the release ends with, the stable one now, and others; or an experiment's."""
KINDS = (NEW, EXPERIMENT, OLD, STABLE)
"""The kinds from the bottom of the picture to its top."""
PERSON, TIME, ANALYSIS, LIVE = "person", "time", "analysis", "live"
"""The ends of a wait: a promotion, a time, the result of an analysis (or ``EXPERIMENT``), and that a commit is live."""
NOW, DONE, COMING = "now", "done", "coming"
"""The places of commits in the release: the last one, those before it, those to come."""


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

    ``place`` is ``NOW``, ``DONE`` or ``COMING``.  ``step`` is ``1/6``, empty without steps.  ``action`` is empty for
    the last commit.  ``until`` is the condition on which the release goes on, and ``wait`` its kind; both are empty at
    the end and for commits that are done.
    """

    place: str

    step: str
    action: str
    shares: tuple[Share, ...]
    peak_pods: int
    phase: str
    starts: str
    until: str
    wait: str
    gates: tuple[str, ...]

    @property
    def pods(self) -> int:
        """The number of pods after the commit."""
        return sum(share.pods for share in self.shares)


class Staircase(Struct, frozen=True):
    """The release of an app: all its stairs, and in words what is to come and what the release does now."""

    app: str
    environment: str
    summary: str
    message: str
    versions: tuple[Version, ...]
    max_weight: int
    peak_pods: int
    stairs: tuple[Stair, ...]

    @property
    def title(self) -> str:
        """The app, its environment and the versions from and to which the release goes."""
        ends = [version.label for kind in (STABLE, NEW) for version in self.versions if version.kind == kind]
        return f"{self.app} ({self.environment}): {' → '.join(ends) or 'nothing runs'}"

    @property
    def words(self) -> tuple[str, ...]:
        """The sentences on the release: what is to come, and what it does now if there is something to say."""
        return tuple(filter(None, (self.summary, self.message)))

    def percent(self, weight: int) -> str:
        """Return a weight in percent: ``20%``, ``0.5%``."""
        return f"{weight * 100 / self.max_weight:.3g}%"


def staircase(app: str, environment: str, plan: Plan) -> Staircase:
    """Return the staircase of the plan of ``app``."""
    versions = {version.name: version for version in _versions(plan)}
    places = [DONE] * len(plan.done) + [NOW] * (plan.now is not None) + [COMING] * len(plan.commits)
    stairs = tuple(_stair(row, place, plan.steps, versions) for row, place in zip(plan.rows, places, strict=True))
    return Staircase(
        app=app,
        environment=environment,
        summary=plan.summary,
        # The summary has it.
        message="" if plan.held else plan.message or "",
        versions=tuple(versions.values()),
        max_weight=plan.max_traffic_weight,
        peak_pods=max((stair.peak_pods for stair in stairs), default=0),
        stairs=stairs,
    )


def shortened(staircase: Staircase, most: int) -> Staircase:
    """Return the staircase with at most the ``most`` stairs from the last commit on."""
    first = next((index for index, stair in enumerate(staircase.stairs) if stair.place == NOW), 0)
    first = max(0, min(first, len(staircase.stairs) - most))
    return replace(staircase, stairs=staircase.stairs[first : first + most])


def _versions(plan: Plan) -> Iterable[Version]:
    """Return the versions of all rows, in the order of ``KINDS``."""
    labels = plan.labels
    stable = _stable(plan.rows[0]) if plan.now is not None else ""
    new = _stable(plan.rows[-1]) if plan.rows else ""
    kinds = dict.fromkeys(labels, OLD) | {stable: STABLE} | ({new: NEW} if new != stable else {})
    kinds |= {rs.name: EXPERIMENT for row in plan.rows for rs in row.replica_sets if EXPERIMENT in rs.roles}
    for name in sorted(labels, key=lambda name: KINDS.index(kinds[name])):
        yield Version(name, labels[name], kinds[name])


def _stable(row: PlannedStep) -> str:
    """Return the name of the stable ReplicaSet, else of the active one; empty if nothing runs."""
    found = [rs for rs in row.replica_sets if {"stable", "active"} & {*rs.roles}]
    return max(found, key=lambda rs: "stable" in rs.roles).name if found else ""


def _stair(row: PlannedStep, place: str, steps: int, versions: dict[str, Version]) -> Stair:
    order = [*versions]
    return Stair(
        place=place,
        step="" if row.current_step_index is None else f"{row.current_step_index}/{steps}",
        action=row.action,
        shares=tuple(_share(rs, versions) for rs in sorted(row.replica_sets, key=lambda rs: order.index(rs.name))),
        peak_pods=row.peak_pods,
        phase=row.phase,
        starts=row.starts,
        until="" if row.ends == "complete" else row.ends,
        wait=_wait(row),
        gates=row.gates,
    )


def _share(replica_set: PlannedReplicaSet, versions: dict[str, Version]) -> Share:
    return Share(versions[replica_set.name], replica_set.weight, replica_set.replicas, replica_set.pods)


def _wait(row: PlannedStep) -> str:
    if row.ends in ("complete", "now", ""):
        return ""
    if row.gates:
        return {EXPERIMENT_STEP: EXPERIMENT, PLUGIN_STEP: PERSON}.get(row.reason, ANALYSIS)
    if row.ends.startswith("after "):
        return TIME
    return PERSON if row.ends == "promote" else LIVE
