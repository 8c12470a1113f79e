"""The plan of a release as values, which ``plan`` prints as JSON and from which its tables and pictures are drawn."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from renderer.pipeline.resolve.autoscaling import count_text
from renderer.verbs.show.tree import camel_keys

EXPERIMENT = "experiment"
"""The role of a ReplicaSet of an experiment."""


class PlannedReplicaSet(Struct, frozen=True):
    """A ReplicaSet in a row of the plan: its version, its replicas, and its weight out of ``maxTrafficWeight``.

    Without a router ``weight`` is the share of the pods in percent.  ``min_replicas`` and ``max_replicas`` are the
    limits of an autoscaler, None without one.
    """

    name: str
    version: str
    roles: tuple[str, ...]
    replicas: int
    weight: int
    min_replicas: int | None = None
    max_replicas: int | None = None

    @property
    def pods(self) -> str:
        """The number of pods for people: ``5``, or ``3-10`` with an autoscaler."""
        return count_text(self.replicas, self.min_replicas, self.max_replicas)


class PlannedStep(Struct, frozen=True):
    """One commit to come.

    ``current_step_index`` is that after the commit (None for blue-green and a canary without steps); ``starts`` and
    ``ends`` are the conditions for this commit and the next one; ``peak_pods`` is the largest number of pods at any
    moment of the step.  ``phase`` is the phase that the commit ends with, empty if it holds a whole step.  ``reason``
    is why the release waits after the commit, as in ``Wait``; ``gates`` are the names of what it waits for.
    """

    current_step_index: int | None
    action: str
    replica_sets: tuple[PlannedReplicaSet, ...]
    starts: str
    ends: str
    peak_pods: int
    phase: str = ""
    reason: str = ""
    gates: tuple[str, ...] = ()


class Plan(Struct, frozen=True):
    """The commits to come of one release in order; empty where the release is complete.

    ``waiting_version`` is the version in the sources that the first of them begins.  ``held`` says what has taken the
    next step back, so that only a promotion does it, and ``quarantine`` why the first of them is refused.  ``now`` is
    the last commit, None before the first release, and ``message`` what the release does now, in words.  ``done`` are
    the steps of the release before that, without those that change nothing; each is computed for the Rollout as it is
    now.
    """

    rollout: str
    strategy: str
    current_step_index: int | None
    steps: int
    max_traffic_weight: int
    peak_pods: int
    is_next: bool
    commits: tuple[PlannedStep, ...]
    waiting_version: str | None = None
    held: str | None = None
    quarantine: str | None = None
    now: PlannedStep | None = None
    message: str | None = None
    done: tuple[PlannedStep, ...] = ()

    @property
    def rows(self) -> tuple[PlannedStep, ...]:
        """All commits of the release in order: those done, the last one, those to come."""
        return (*self.done, *([self.now] if self.now else []), *self.commits)

    @property
    def labels(self) -> dict[str, str]:
        """The version of each ReplicaSet by name, or the hash in its name if another one has the same version."""
        versions = {rs.name: rs.version for row in self.rows for rs in row.replica_sets}
        known = [*versions.values()]
        return {
            name: version if known.count(version) == 1 else name.rpartition("-")[2]
            for name, version in versions.items()
        }

    @property
    def summary(self) -> str:
        """A few words on the plan."""
        if not self.commits:
            return "nothing to come"
        commits = f"{len(self.commits)} commit{'s' if len(self.commits) > 1 else ''}"
        count = f"{commits} to come, at most {self.peak_pods} pods"
        if self.held:
            count = f"{self.held}; {count}"
        if self.quarantine:
            return f"{self.quarantine}; {count}"
        if self.waiting_version:
            return f"{self.waiting_version} waits, the first commit begins it; {count}"
        return f"no release in progress; for the next one: {count}" if self.is_next else count

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready data with keys in camelCase."""
        data: dict[str, Any] = camel_keys(self)
        return data
