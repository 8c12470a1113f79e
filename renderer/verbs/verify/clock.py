"""The clock of a history, which the author of a commit does not own, and the findings about times.

A commit is never earlier than the commits before it on its branch, and never later than the run.  Where the repository
has a record of its own, the reflog of a server's branch or of this clone's pushes, a commit is not earlier than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta

from msgspec.structs import replace

from renderer.errors import Finding
from renderer.git.reflog import arrivals
from renderer.kubernetes.manifest import FieldPath, field_path
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.status_file import State
from renderer.pipeline.load.workspace import current_time
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import Transition, goes_forward, status_goes_forward
from renderer.rollouts.controller.timing import pause_end
from renderer.verbs.apps.status_history import StatusHistory, beginning
from renderer.verbs.verify.app_state import AppLocation, AppState
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.rules import ServerRules

SKEW = timedelta(minutes=5)
"""The time that the clock of a committer may be ahead."""
_COMMITS = 2000
"""The most commits before a range whose dates count."""


class Clock:
    """The times of commits: each is the latest date on its first parents, or the time at which it arrived."""

    def __init__(self, loader: Loader, latest: datetime | None, branch: str | None = None) -> None:
        """``latest`` is the time of the run: a date after it says nothing.  Arrivals are those on ``branch``."""
        self._loader = loader
        self._latest = latest
        self._branch = branch
        self._times: dict[str, datetime] = {"": datetime.min.replace(tzinfo=current_time().tzinfo)}
        self._arrivals: Mapping[str, datetime] | None = None

    def at(self, sha: str) -> datetime:
        """Return the time of a commit (UTC)."""
        chain: list[tuple[str, datetime]] = []
        name = sha
        while name not in self._times and len(chain) < _COMMITS and self._loader.objects.exists(name):
            date, parent = self._loader.objects.committed(name)
            chain.append((name, date))
            name = parent
        time = self._times.get(name, self._times[""])
        for commit, date in reversed(chain):
            known = [time, *(found for found in (date, self.arrived(commit)) if found is not None)]
            time = max(one for one in known if one == time or self._is_past(one))
            self._times[commit] = time
        return time

    def arrived(self, sha: str) -> datetime | None:
        """Return the time at which a commit came to its branch by the record of this repository; None without one."""
        if self._arrivals is None:
            self._arrivals = arrivals(self._loader.repository, self._branch)
        return self._arrivals.get(sha)

    def _is_past(self, time: datetime) -> bool:
        return self._latest is None or time <= self._latest + SKEW


class TimeCheck:
    """Checks the times of commits and statuses by the clock of their history."""

    def __init__(
        self, loader: Loader, clock: Clock, rules: ServerRules, now: datetime | None, *, is_push: bool
    ) -> None:
        """``now`` is the time of the run or of a push.  ``is_push``: no commit of the range has reached its branch."""
        self._loader = loader
        self._clock = clock
        self._margin = rules.clock_margin
        self._trusts_status = rules.has_clock_margin
        self._now = now
        self._is_push = is_push
        self._arrived: set[str] = set()
        """The paths of the statuses that a commit of this run has changed."""

    def commit(self, change: Change) -> Iterator[Finding]:
        """Yield that a commit is of long before the one that it follows, or of the future."""
        hint = "correct the clock, and make the commit again"
        if change.parent:
            parent = self._clock.at(change.parent)
            if change.commit.date < parent - self._margin:
                message = f"the commit is of {format_time(change.commit.date)}, long before its parent"
                yield Finding("", 0, 0, "", f"{message}, {format_time(parent)}", hint)
        # Not the time that an option chooses, which is for the releases.
        clock = current_time()
        if self._now is not None and change.commit.date > max(clock, self._now) + SKEW:
            message = f"the commit is of {format_time(change.commit.date)}, and it is {format_time(clock)}"
            yield Finding("", 0, 0, "", message, hint)

    def late_move(self, change: Change, after: AppState, state: State) -> Iterator[Finding]:
        """Yield that a release moved later than its commit, its push or this run, which would end a pause early."""
        latest = min(change.commit.date, self._now or change.commit.date)
        for time, path in _times(state):
            if time > latest + SKEW:
                line, column = state.source.position(path)
                message = f"{format_time(time)} is later than the commit, {format_time(latest)}"
                hint = "the clock or --now was wrong: undo the commit"
                yield Finding(after.location.status_file, line, column, field_path(path), message, hint)
                return

    def early_move(self, change: Change, after: AppState, before: AppState, state: State) -> Iterator[Finding]:
        """Yield that a release moved before its last move, or long before the commit that it follows.

        Its version would pass for an older one, and its pause for one that is over.
        """
        line, column = state.source.position(("lastUpdateTime",))
        moved, old = state.last_update_time, before.state()
        if old is not None and moved < old.last_update_time:
            message = f"{format_time(moved)} is before {format_time(old.last_update_time)}, the move before"
        elif change.parent and (old is None or moved != old.last_update_time):
            parent = self._clock.at(change.parent)
            if moved >= parent - self._margin:
                return
            message = f"{format_time(moved)} is long before the parent commit, {format_time(parent)}"
        else:
            return
        hint = "the clock or --now was wrong: undo the commit"
        yield Finding(after.location.status_file, line, column, "lastUpdateTime", message, hint)

    def pause(
        self, change: Change, after: AppState, before: AppState, release: Release, transition: Transition
    ) -> Iterator[Finding]:
        """Yield that a step goes on after a timed pause that is not over since its step reached the branch."""
        began = before.location.status_file in self._arrived
        self._arrived.add(after.location.status_file)
        old, move = release.world, transition.move
        is_timed = pause_end(old) is not None and not transition.verb.startswith("promote")
        kept = all(pause in move.after.status.pause_conditions for pause in old.status.pause_conditions)
        same = move.after.status.current_pod_hash == old.status.current_pod_hash
        if not is_timed or kept or not same or not goes_forward(move.before, move.after):
            return
        place, field = after.location.status_file, "status.pauseConditions"
        if began and self._is_push:
            yield _began_here(after)
            return
        end, reached = self._pause_over(change.parent, before.location, release)
        if end is not None and move.after.now < end:
            message = f"goes on at {format_time(move.after.now)}, and the pause lasts until {format_time(end)}"
            message = f"{message}: its step reached the branch at {format_time(reached)}"
            yield Finding(place, 0, 0, field, message, "undo the commit, or go on with promote")

    def pause_in_part(self, after: AppState, before: AppState, state: State, verb: str) -> Iterator[Finding]:
        """Yield that a push ends a pause that it begins, as far as two statuses show it."""
        began = before.location.status_file in self._arrived
        self._arrived.add(after.location.status_file)
        old = before.state()
        if not began or not self._is_push or old is None or verb.startswith("promote"):
            return
        kept = all(pause in state.status.pause_conditions for pause in old.status.pause_conditions)
        same = state.status.current_pod_hash == old.status.current_pod_hash
        if same and not kept and status_goes_forward(old.status, state.status):
            yield _began_here(after)

    def _pause_over(self, parent: str, location: AppLocation, release: Release) -> tuple[datetime | None, datetime]:
        """Return the end of the pause of ``release``, and the time at which its step reached the branch."""
        repository, end = self._loader.repository, pause_end(release.world)
        folder = repository.root / location.folder
        here = replace(release, app=replace(release.app, ref=replace(release.app.ref, folder=folder)))
        with closing(StatusHistory(lambda: repository, [folder], parent)) as history:
            found = beginning(history, here)
        if found is None or found.state is None or end is None:
            return None, release.world.now
        reached, moved = self._clock.at(found.commit.sha), found.state.last_update_time
        if self._trusts_status and reached - moved <= self._margin and self._clock.arrived(found.commit.sha) is None:
            return end, moved
        return end + max(reached - moved, timedelta()), max(reached, moved)


def _began_here(after: AppState) -> Finding:
    message = f"{after.location.title} goes on after a pause that began in this push"
    hint = "push the step before the pause first, or go on with promote"
    return Finding(after.location.status_file, 0, 0, "status.pauseConditions", message, hint)


def _times(state: State) -> Iterator[tuple[datetime, FieldPath]]:
    """Yield the times in a status that no command may write in advance, each with the field's path."""
    yield state.last_update_time, ("lastUpdateTime",)
    for number, step in enumerate(state.steps):
        yield step.reached_at, ("steps", number, "reachedAt")
    for name, created in state.created.items():
        yield created, ("replicaSets", name, "createdAt")
