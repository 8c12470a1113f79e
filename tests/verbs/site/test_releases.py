"""Commits are grouped into releases: a revert takes one back, and an older pod template makes a rollback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from renderer.git.repository import Commit, FileChange
from renderer.pipeline.load.status_file import State
from renderer.rollouts.model.status import PauseCondition, RolloutStatus
from renderer.verbs.site.events import Event, Merge
from renderer.verbs.site.links import Links
from renderer.verbs.site.records import ReleaseRecord
from renderer.verbs.site.releases import commit_record, is_healthy, record_of, spans_of

NONE = Links()
START = datetime(2026, 3, 1, tzinfo=UTC)


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def commit(hour: int, subject: str = "Step", **trailers: str) -> Commit:
    pairs = tuple((f"Rollstep-{key}", value) for key, value in trailers.items())
    return Commit(f"{hour:040}", "Ada", "ada@example.com", at(hour), subject, pairs)


def event(hour: int, revision: int, new: str, stable: str, phase: str = "Healthy", *, abort: bool = False) -> Event:
    """Return the event of a commit after which the Rollout has this status."""
    status = RolloutStatus(current_pod_hash=new, stable_rs=stable, phase=phase, abort=abort)
    state = State("web", revision, at(hour), status)
    return Event(commit(hour), "", at(hour), state, {"Verb": "advance"}, None, "")


def gone(hour: int) -> Event:
    return Event(commit(hour), "", at(hour), None, {}, None, "")


def records(events: list[Event], sources: tuple[int, ...] = ()) -> dict[str, ReleaseRecord]:
    """Return the records of the releases in events; ``sources`` are the hours of commits to the sources."""
    spans = spans_of(events)
    changes = [FileChange(f"s{hour}", at(hour), "", "", {}) for hour in sorted(sources, reverse=True)]
    healthy = [found.time for found in events if is_healthy(found)]
    made = [
        record_of(
            ("prod", "web"), spans, number, changes, "1", (), (commit_record(span.events[0], Links(), ()),), healthy
        )
        for number, span in enumerate(spans)
    ]
    return {record.id: record for record in made}


FIRST = event(0, 1, "a", "a")


def outcomes(*events: Event) -> dict[str, str]:
    return {name: record.outcome for name, record in records([FIRST, *events]).items()}


def test_a_release_ends_as_its_commits_do() -> None:
    begun = event(1, 2, "b", "a", "Paused")
    assert outcomes(begun) == {"1": "Complete", "2": "InProgress"}
    assert outcomes(begun, event(2, 2, "b", "b"))["2"] == "Complete"
    assert outcomes(begun, event(2, 2, "b", "a", "Degraded", abort=True))["2"] == "Aborted"
    assert outcomes(begun, event(2, 3, "c", "a", "Paused")) == {"1": "Complete", "2": "Superseded", "3": "InProgress"}
    assert outcomes(begun, gone(2))["2"] == "Removed"
    assert outcomes(begun, FIRST)["2"] == "TakenBack"


def test_a_revert_takes_a_release_back_and_a_revert_of_it_goes_on() -> None:
    begun, back, again = event(1, 2, "b", "a", "Paused"), event(2, 1, "a", "a"), event(3, 2, "b", "a", "Paused")
    assert outcomes(begun, back, again) == {"1": "Complete", "2": "InProgress"}
    other = event(3, 2, "c", "a", "Paused")
    assert outcomes(begun, back, other) == {"1": "Complete", "2": "TakenBack", "2.2": "InProgress"}
    spans = spans_of([FIRST, begun, back, event(3, 1, "a", "a"), other])
    assert [[found.time.hour for found in span.events] for span in spans] == [[0, 3], [1, 2], [4 - 1]]


def test_nothing_before_the_first_status_is_a_release() -> None:
    assert spans_of([gone(0)]) == []
    assert spans_of([]) == []


def test_going_back_is_a_rollback_and_undoes_a_release() -> None:
    begun, done = event(1, 2, "b", "a", "Paused"), event(2, 2, "b", "b")
    back = event(3, 3, "a", "a")
    found = records([FIRST, begun, done, back])
    assert [(name, record.is_rollback, record.is_undone) for name, record in found.items()] == [
        ("1", False, False),
        ("2", False, True),
        ("3", True, False),
    ]
    forward = records([FIRST, begun, done, back, event(4, 4, "b", "a", "Paused")])
    assert not forward["4"].is_rollback
    assert not forward["3"].is_undone


def test_times_are_between_commits() -> None:
    events = [FIRST, event(4, 2, "b", "a", "Paused"), event(6, 2, "b", "b"), event(9, 3, "c", "b", "Paused")]
    found = records(events, sources=(0, 1, 3, 8, 20))
    assert (found["2"].changed, found["2"].change_commit) == (at(3), "s3")
    assert (found["2"].began, found["2"].completed, found["2"].ended) == (at(4), at(6), at(9))
    assert (found["2"].lead_time_seconds, found["2"].duration_seconds) == (3 * 3600, 2 * 3600)
    assert (found["3"].changed, found["3"].lead_time_seconds, found["3"].duration_seconds) == (at(8), None, None)


def test_a_release_that_changes_the_sources_itself_begins_with_the_change() -> None:
    events = [FIRST, event(4, 2, "b", "a", "Paused"), event(6, 2, "b", "b")]
    found = records(events, sources=(0,))
    assert (found["2"].changed, found["2"].change_commit) == (at(4), events[1].commit.sha)


def test_an_abort_lasts_until_the_app_is_healthy() -> None:
    aborted = event(2, 2, "b", "a", "Degraded", abort=True)
    scaled = event(3, 2, "b", "a", "Degraded", abort=True)
    retried, again = event(4, 2, "b", "a", "Paused"), event(5, 2, "b", "a", "Degraded", abort=True)
    events = [FIRST, event(1, 2, "b", "a", "Paused"), aborted, scaled, retried, again, event(8, 3, "a", "a")]
    found = records(events)["2"].aborts
    assert [(abort.time, abort.restored) for abort in found] == [(at(2), at(8)), (at(5), at(8))]
    assert records(events[:-1])["2"].aborts[-1].restored is None


@pytest.mark.parametrize(
    ("subject", "body", "number"),
    [
        ("Merge pull request #12 from example/step", "", 12),
        ("Merge pull request 'web: 20%' (#13) from step into main", "", 13),
        ("Merged in step (pull request #14)", "", 14),
        ("web (prod): step 2/6 (#15)", "", 15),
        ("Merge branch 'step' into 'main'", "web\n\nSee merge request shop/web!16", 16),
        ("Fix #17", "Closes #18", None),
    ],
)
def test_a_merge_names_its_pull_request(subject: str, body: str, number: int | None) -> None:
    merge = Merge(commit(3, subject), body)
    brought = Event(commit(1, Step="2/6"), "", at(3), FIRST.state, {"Step": "2/6"}, merge, "")
    record = commit_record(brought, Links("https://forge/commit", "https://forge/pull"), ())
    assert (record.pull_request.number if record.pull_request else None) == number
    if record.pull_request:
        assert record.pull_request.url == f"https://forge/pull/{number}"
    assert (record.time, record.commit, record.url) == (at(3), commit(1).sha, f"https://forge/commit/{commit(1).sha}")
    assert (record.current_step_index, record.steps) == (2, 6)


def test_a_commit_says_why_it_waits_and_who_broke_the_glass() -> None:
    status = RolloutStatus(phase="Paused", pause_conditions=(PauseCondition("CanaryPauseStep", at(1)),), message="said")
    state = State("web", 2, at(1), status)
    made = commit(1, **{"Break-Glass": "sale"})
    body = "Why it is safe.\n\nRollstep-App: web\nRollstep-Env: prod"
    record = commit_record(Event(made, body, at(1), state, {}, None, ""), Links(), ("Grace",))
    assert (record.pause, record.message, record.break_glass) == ("CanaryPauseStep", "said", "sale")
    assert (record.body, record.approvals, record.url, record.verb) == ("Why it is safe.", ("Grace",), None, None)
