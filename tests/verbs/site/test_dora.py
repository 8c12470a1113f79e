"""The four figures: what counts as a deployment, a failure and a restore, and in which period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.verbs.site.dora import Deployment, by_month, deployments_of, figures, months
from renderer.verbs.site.records import Abort, AppRecord, ReleaseCommit, ReleaseRecord

START = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(weeks=1)


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def commit(verb: str | None = "advance") -> ReleaseCommit:
    step, said = (None,) * 5, (None,) * 4
    return ReleaseCommit("c", None, START, "Ada", "s", "", verb, *step, "Committed", *said, (), ())


def release(
    began: int, completed: int | None, outcome: str = "Complete", verb: str | None = "advance"
) -> ReleaseRecord:
    return ReleaseRecord(
        environment="prod",
        app="web",
        id="1",
        revision=1,
        version="1",
        images=(),
        pod_template_hash="a",
        outcome=outcome,
        is_rollback=False,
        is_undone=False,
        changed=at(began - 1),
        change_commit="c",
        began=at(began),
        completed=None if completed is None else at(completed),
        ended=None,
        lead_time_seconds=None if completed is None else (completed - began + 1) * 3600,
        duration_seconds=None,
        aborts=(),
        commits=(commit(verb),),
    )


def counted(*releases: ReleaseRecord) -> list[Deployment]:
    return list(deployments_of(AppRecord("prod", "web", "c", START, "", {}, None, (), False, None, releases)))


def test_a_complete_release_is_a_deployment_with_its_lead_time() -> None:
    found = figures("", counted(release(10, 12), release(20, 21)), START, START + 2 * WEEK)
    assert (found.deployments, found.frequency, found.lead_time) == (2, 1.0, 2.5 * 3600)
    assert (found.failed, found.ended, found.failure_rate, found.time_to_restore) == (0, 2, 0.0, None)


@pytest.mark.parametrize(
    "other",
    [
        release(10, 12, verb=None),
        release(10, 12, verb="restart"),
        replace(release(10, 12), is_rollback=True),
    ],
    ids=["import", "restart", "rollback"],
)
def test_what_brings_no_change_is_not_counted(other: ReleaseRecord) -> None:
    assert counted(other) == []
    assert len(counted(other, release(20, 21))) == 1


@pytest.mark.parametrize(
    "failed",
    [
        replace(release(10, None, "Aborted"), aborts=(Abort("c", at(11), "", at(13)),)),
        replace(release(10, 12), aborts=(Abort("c", at(11), "", at(13)),)),
        replace(release(10, 12), is_undone=True),
        replace(release(10, None, "TakenBack"), ended=at(12)),
    ],
    ids=["aborted", "aborted and retried", "undone", "reverted"],
)
def test_a_release_that_was_stopped_has_failed(failed: ReleaseRecord) -> None:
    undo = replace(release(13, 15), is_rollback=True)
    found = figures("", counted(failed, undo, release(20, 21), release(30, None, "InProgress")), START, START + WEEK)
    assert (found.failed, found.ended, found.failure_rate) == (1, 2, 0.5)


def test_the_time_to_restore_is_from_the_abort_to_health_or_that_of_the_undo() -> None:
    aborts = (Abort("c", at(11), "", at(13)), Abort("c", at(14), "", None))
    aborted = replace(release(10, None, "Aborted"), aborts=aborts)
    undone, undo = replace(release(20, 22), is_undone=True), replace(release(30, 34), is_rollback=True)
    found = figures("", counted(aborted, undone, undo), START, START + WEEK)
    assert (found.restores, found.time_to_restore) == (2, 3 * 3600)


def test_only_the_period_is_counted() -> None:
    every = counted(release(1, 2), release(200, 201))
    first, second = (figures("", every, START + number * WEEK, START + (number + 1) * WEEK) for number in range(2))
    assert (first.deployments, second.deployments) == (1, 1)
    nothing = figures("", every, START + 2 * WEEK, START + 3 * WEEK)
    assert (nothing.deployments, nothing.lead_time, nothing.failure_rate) == (0, None, None)


def test_months_are_newest_first() -> None:
    late = replace(release(24 * 40, 24 * 40 + 1))
    found = by_month(counted(release(1, 2), late), datetime(2026, 3, 9, tzinfo=UTC))
    assert [(row.title, row.deployments) for row in found] == [("2026-03", 0), ("2026-02", 1), ("2026-01", 1)]
    assert by_month([], START) == []


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(0, 4000))
def test_every_moment_is_in_one_month(first: datetime, days: int) -> None:
    start, last = first.replace(tzinfo=UTC), first.replace(tzinfo=UTC) + timedelta(days=days)
    found = months(start, last)
    assert found[0][1] <= start < found[0][2]
    assert found[-1][1] <= last < found[-1][2]
    assert all(before[2] == after[1] for before, after in pairwise(found))
