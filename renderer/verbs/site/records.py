"""The records of apps, releases and commits that the site's pages show; ``releases.json`` lists the releases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

COMPLETE, RUNNING, ABORTED, TAKEN_BACK = "Complete", "InProgress", "Aborted", "TakenBack"
SUPERSEDED, REMOVED = "Superseded", "Removed"
OUTCOMES = (COMPLETE, RUNNING, ABORTED, TAKEN_BACK, SUPERSEDED, REMOVED)
"""The state of a release: 100% reached, under way, aborted, reverted in git, followed by another one before its end,
and removed with its app."""


class PullRequest(Struct, frozen=True, rename="camel"):
    """The pull request that brought a commit: its number, its address if the forge is known, and its merge commit."""

    number: int
    url: str | None
    merge_commit: str | None
    merged_by: str | None


class MeasuredMetric(Struct, frozen=True, rename="camel"):
    """A metric of an analysis run with what a commit measured: the fields of ``MetricChange``, long texts shortened.

    ``url`` is where the query can be asked again, None if unknown.
    """

    name: str
    phase: str
    count: int
    values: str
    limits: str
    message: str
    url: str | None


class AnalysisRun(Struct, frozen=True, rename="camel"):
    """An analysis run after a commit: its phase and message, and what the commit measured.

    ``metrics_left`` is the number of metrics that are left out of ``metrics``.
    """

    name: str
    status: str
    message: str
    metrics: tuple[MeasuredMetric, ...] = ()
    metrics_left: int = 0


class ReleaseCommit(Struct, frozen=True, rename="camel"):
    """A commit of a release, and the release after it.

    ``time`` is when the commit reached the branch (UTC): the time of the merge, if a merge brought it.  ``weight`` is
    that of the newest version, out of ``max_traffic_weight``; None without a router.  ``phase`` is the Rollout's,
    ``part`` the phase of a step in phases.
    """

    commit: str
    url: str | None
    time: datetime
    author: str
    subject: str
    body: str
    verb: str | None
    current_step_index: int | None
    steps: int | None
    part: str | None
    weight: int | None
    max_traffic_weight: int | None
    phase: str
    pause: str | None
    message: str | None
    break_glass: str | None
    pull_request: PullRequest | None
    approvals: tuple[str, ...]
    analysis_runs: tuple[AnalysisRun, ...]


class Abort(Struct, frozen=True, rename="camel"):
    """An abort of a release; ``restored`` is when the app was healthy again, None before.

    ``verdict`` is that of the analysis that aborted the release, None if a person did.
    """

    commit: str
    time: datetime
    reason: str
    restored: datetime | None
    verdict: str | None = None


class ReleaseRecord(Struct, frozen=True, rename="camel"):
    """A release of an app in an environment.

    ``id`` is the revision, with a second number if the revision was begun again after a revert.  ``began`` is the time
    of its first commit, ``completed`` that at which it had all the traffic, ``ended`` that after which it was no longer
    the newest.  ``changed`` is the time of the commit that changed the sources.  ``is_rollback`` says that its pod
    template is older than that of the release before, ``is_undone`` that the next release is such a rollback.
    """

    environment: str
    app: str
    id: str
    revision: int
    version: str
    images: tuple[str, ...]
    pod_template_hash: str
    outcome: str
    is_rollback: bool
    is_undone: bool
    changed: datetime
    change_commit: str
    began: datetime
    completed: datetime | None
    ended: datetime | None
    lead_time_seconds: int | None
    duration_seconds: int | None
    aborts: tuple[Abort, ...]
    commits: tuple[ReleaseCommit, ...]


class AppRecord(Struct, frozen=True, rename="camel"):
    """An app in an environment, as of the last commit that changed it.

    ``info`` is the entry of ``rollstep get -o json``, None if the app could not be read: then ``problems`` say why.
    ``inputs`` is the digest of all that its pages are made from, and ``outside`` has the objects of what it reads
    outside of its folder, by path.
    """

    environment: str
    app: str
    commit: str
    time: datetime
    inputs: str
    outside: Mapping[str, str]
    info: Mapping[str, Any] | None
    problems: tuple[str, ...]
    is_orphan: bool
    frozen: str | None
    releases: tuple[ReleaseRecord, ...]

    @property
    def target(self) -> str:
        """The app as a verb's TARGET: ``prod/web``."""
        return f"{self.environment}/{self.app}"
