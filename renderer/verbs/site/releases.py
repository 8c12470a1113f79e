"""The releases of an app, from its commits: where each begins and ends, how long it took, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from renderer.git.repository import FileChange
from renderer.pipeline.commit.trailers import BREAK_GLASS, PREFIX
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.describe import COMMITTED
from renderer.verbs.site.events import Event
from renderer.verbs.site.links import Links, pull_number
from renderer.verbs.site.measurements import verdict_of
from renderer.verbs.site.records import (
    ABORTED,
    COMPLETE,
    REMOVED,
    RUNNING,
    SUPERSEDED,
    TAKEN_BACK,
    Abort,
    AnalysisRun,
    PullRequest,
    ReleaseCommit,
    ReleaseRecord,
)

_HEALTHY = "Healthy"


class Span(Struct):
    """The events of one release, oldest first; ``is_taken_back`` says that the last one returns to an older release."""

    id: str
    revision: int
    pod_template_hash: str
    events: list[Event]
    is_taken_back: bool = False


def spans_of(events: Sequence[Event]) -> list[Span]:
    """Return the releases among an app's events, oldest first.

    A release goes on while the status has its revision.  A commit that returns to an older revision takes the release
    back, and commits that follow belong to the older one.
    """
    found: list[Span] = []
    current: Span | None = None
    for event in events:
        state = event.state
        if current is None and state is None:
            continue
        if state is None:
            assert current is not None
            current.events.append(event)
            continue
        key = (state.revision, state.status.current_pod_hash)
        known = next((span for span in reversed(found) if (span.revision, span.pod_template_hash) == key), None)
        if current is not None and state.revision < current.revision:
            current.events.append(event)
            current.is_taken_back = True
            current = known or current
        elif current is not None and state.revision == current.revision:
            current.events.append(event)
        elif known is not None:
            known.events.append(event)
            known.is_taken_back = False
            current = known
        else:
            count = sum(span.revision == state.revision for span in found) + 1
            current = Span(f"{state.revision}.{count}" if count > 1 else str(state.revision), *key, [event])
            found.append(current)
    return found


def record_of(
    place: tuple[str, str],
    spans: Sequence[Span],
    at: int,
    sources: Sequence[FileChange],
    version: str,
    images: tuple[str, ...],
    commits: tuple[ReleaseCommit, ...],
    healthy: Sequence[datetime],
) -> ReleaseRecord:
    """Return the record of the release ``spans[at]`` of an app (environment and name).

    ``sources`` are the commits of the app's sources, newest first.  ``healthy`` are the times at which the app was
    healthy, oldest first.
    """
    span, following = spans[at], spans[at + 1] if at + 1 < len(spans) else None
    began, completed = span.events[0].time, _completed(span)
    change = _change(span, spans[at - 1] if at else None, sources)
    changed = change.time if change is not None else began
    is_rollback, is_undone = _goes_back(spans, at), following is not None and _goes_back(spans, at + 1)
    ended = following.events[0].time if following is not None else None
    if span.is_taken_back or span.events[-1].state is None:
        ended = span.events[-1].time
    return ReleaseRecord(
        environment=place[0],
        app=place[1],
        id=span.id,
        revision=span.revision,
        version=version,
        images=images,
        pod_template_hash=span.pod_template_hash,
        outcome=_outcome(span, completed, following),
        is_rollback=is_rollback,
        is_undone=is_undone,
        changed=changed,
        change_commit=change.sha if change is not None else span.events[0].commit.sha,
        began=began,
        completed=completed,
        ended=ended,
        lead_time_seconds=_seconds(changed, completed),
        duration_seconds=_seconds(began, completed or ended),
        aborts=tuple(_aborts(span, commits, healthy)),
        commits=commits,
    )


def commit_record(
    event: Event, links: Links, approvals: tuple[str, ...], runs: tuple[AnalysisRun, ...] = ()
) -> ReleaseCommit:
    """Return the record of one event, whose analysis runs are ``runs``."""
    commit, state, trailers = event.commit, event.state, event.trailers
    step, _, steps = trailers.get("Step", "").partition("/")
    weight, total = _weight(state)
    return ReleaseCommit(
        commit=commit.sha,
        url=links.commit(commit.sha),
        time=event.time,
        author=commit.author_name,
        subject=commit.subject,
        body=_without_trailers(event.body),
        verb=event.verb or None,
        current_step_index=int(step) if step.isdecimal() else None,
        steps=int(steps) if steps.isdecimal() else None,
        part=trailers.get("Phase") or None,
        weight=weight,
        max_traffic_weight=total,
        phase=phase_of_state(state),
        pause=_pause(state),
        message=(state.status.message or None) if state is not None else None,
        break_glass=next((value for key, value in commit.trailers if key == BREAK_GLASS), None),
        pull_request=_pull_request(event, links),
        approvals=approvals,
        analysis_runs=runs,
    )


def phase_of_state(state: State | None) -> str:
    """Return the phase of a release by its status, as ``phase_of`` does of a world."""
    if state is None:
        return REMOVED
    return COMMITTED if state.status.phase == _HEALTHY else state.status.phase


def is_healthy(event: Event) -> bool:
    """Return whether the release is healthy after an event."""
    return event.state is not None and event.state.status.phase == _HEALTHY


def is_promoted(state: State | None) -> bool:
    """Return whether the newest version has all the traffic."""
    status = state.status if state is not None else None
    return status is not None and bool(status.stable_rs) and status.stable_rs == status.current_pod_hash


def _completed(span: Span) -> datetime | None:
    key = (span.revision, span.pod_template_hash)

    def is_own(state: State | None) -> bool:
        return state is not None and (state.revision, state.status.current_pod_hash) == key

    return next((event.time for event in span.events if is_own(event.state) and is_promoted(event.state)), None)


def _outcome(span: Span, completed: datetime | None, following: Span | None) -> str:
    last = span.events[-1].state
    if span.is_taken_back:
        return TAKEN_BACK
    if completed is not None:
        return COMPLETE
    if last is None:
        return REMOVED
    if last.status.abort:
        return ABORTED
    return RUNNING if following is None else SUPERSEDED


def _goes_back(spans: Sequence[Span], at: int) -> bool:
    """Return whether a release brings back a pod template that is older than that of the release that it follows."""
    hashes = [span.pod_template_hash for span in spans[: at + 1]]
    return at > 0 and hashes.index(hashes[at]) < hashes.index(hashes[at - 1])


def _change(span: Span, before: Span | None, sources: Sequence[FileChange]) -> FileChange | None:
    """Return the last commit that changed the sources up to the release's begin, after that of the release before."""
    since = before.events[0].time if before is not None else None
    change = next((found for found in sources if found.time <= span.events[0].time), None)
    return None if change is None or (since is not None and change.time <= since) else change


def _aborts(span: Span, commits: Sequence[ReleaseCommit], healthy: Sequence[datetime]) -> list[Abort]:
    found = []
    runs = {commit.commit: commit.analysis_runs for commit in commits}
    was_aborted = False
    for event in span.events:
        is_aborted = event.state is not None and event.state.status.abort
        if is_aborted and not was_aborted:
            restored = next((time for time in healthy if time > event.time), None)
            assert event.state is not None
            reason = "; ".join(dict.fromkeys(filter(None, (event.commit.subject, event.state.status.message))))
            verdict = verdict_of(runs.get(event.commit.sha, ()))
            found.append(Abort(event.commit.sha, event.time, reason, restored, verdict))
        was_aborted = is_aborted
    return found


def _weight(state: State | None) -> tuple[int | None, int | None]:
    """Return the weight of the newest version and the sum of all weights; None without a router."""
    weights = state.status.canary.weights if state is not None else None
    if state is None or weights is None:
        return None, None
    places = (weights.stable, weights.canary, *weights.additional)
    newest = (place.weight for place in places if place.pod_template_hash == state.status.current_pod_hash)
    return sum(newest), sum(place.weight for place in places)


def _pull_request(event: Event, links: Links) -> PullRequest | None:
    merge = event.merge
    subject, body = (merge.commit.subject, merge.body) if merge else (event.commit.subject, event.body)
    number = pull_number(subject, body)
    if number is None:
        return None
    return PullRequest(
        number, links.pull(number), merge.commit.sha if merge else None, merge.commit.author_name if merge else None
    )


def _pause(state: State | None) -> str | None:
    return ", ".join(pause.reason for pause in state.status.pause_conditions) or None if state is not None else None


def _without_trailers(body: str) -> str:
    """Return a message's body without rollstep's trailers, which its record has as fields."""
    return "\n".join(line for line in body.split("\n") if not line.startswith(PREFIX)).strip("\n")


def _seconds(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else int((end - start).total_seconds())
