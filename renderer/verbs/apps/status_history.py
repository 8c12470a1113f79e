"""The history of ``status.yaml`` on a branch: when a step reached it, and whether the branch has taken a step back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.pipeline.commit.trailers import VERB
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State, load_state
from renderer.pipeline.resolve.analyses import ANALYZE
from renderer.pipeline.resolve.describe import HELD, is_promoted
from renderer.pipeline.resolve.moves import Move, Wait, advance, wait
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import EDITS
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts.controller.analysis_runs import runs_of
from renderer.rollouts.controller.timing import pause_end

if TYPE_CHECKING:
    from collections.abc import Generator

    from renderer.git.repository import FileChange, Repository

STAYING = (*EDITS, "render")
"""The verbs that leave a release at its step."""


class StatusChange(Struct, frozen=True):
    """A commit that changes an app's status, with the status after it; None if the commit removes the file."""

    commit: FileChange
    blob: str
    state: State | None


class StatusHistory:
    """The changes of the status of each app in ``folders`` on a branch, newest first.

    Git walks the branch once for all apps, as far as the apps that are asked for need.
    """

    def __init__(self, open_repository: Callable[[], Repository], folders: Sequence[Path], ref: str = "HEAD") -> None:
        self._open_repository = open_repository
        self._folders = folders
        self._ref = ref
        self._walk: Generator[FileChange] | None = None
        self._found: dict[str, list[FileChange]] = {}
        # A commit may create or move thousands of apps.
        self._moves = cache(lambda sha: open_repository().moves(sha))
        self._older: dict[str, StatusHistory] = {}
        """The history before each commit that moves apps."""
        self._texts: dict[str, bytes] = {}
        self._states: dict[str, State] = {}
        self._pushes: dict[str, datetime] | None = None

    def changes(self, folder: Path) -> Iterator[StatusChange]:
        """Yield the changes of one app's status, as far as the caller reads them.

        They go on before a commit that only moves the app's folder.  Raises RollstepError at the end of a shallow
        clone, whose history goes on elsewhere.
        """
        repository = self._open_repository()
        path = repository.relative(folder / STATUS_FILE)
        for number, commit in enumerate(self._commits(path)):
            moved_from = ""
            if path in commit.created and not commit.is_shallow:
                moved_from = self._moves(commit.sha).get(path, "")
            if moved_from:
                yield from self._before_move(commit.sha).changes(repository.root / Path(moved_from).parent)
                return
            blob = commit.files[path]
            yield StatusChange(commit, blob, self._state(blob, path, number) if blob else None)
            if commit.is_shallow:
                message = f"this clone is shallow, and the step may be older than {commit.sha[:9]}, where it ends"
                raise RollstepError([Finding(path, 0, 0, "", message, "git fetch --unshallow")])

    def pushed_at(self, commit: str) -> datetime | None:
        """Return the time (UTC) at which this clone has pushed a commit to the branch; None if it did not."""
        from renderer.git.reflog import pushes

        if self._pushes is None:
            self._pushes = pushes(self._open_repository())
        return self._pushes.get(commit)

    def _before_move(self, sha: str) -> StatusHistory:
        """Return the history of all apps that the commit ``sha`` moves, from before it."""
        if sha not in self._older:
            root, moves = self._open_repository().root, self._moves(sha)
            folders = [root / Path(moves[path]).parent for path in self._found if path in moves]
            self._older[sha] = StatusHistory(self._open_repository, folders, f"{sha}^1")
        return self._older[sha]

    def close(self) -> None:
        """End the git processes that walk the branch."""
        if self._walk is not None:
            self._walk.close()
        for older in self._older.values():
            older.close()

    def _commits(self, path: str) -> Iterator[FileChange]:
        if self._walk is None:
            repository = self._open_repository()
            paths = [folder / STATUS_FILE for folder in self._folders]
            self._found = {repository.relative(name): [] for name in paths}
            self._walk = repository.file_changes(paths, VERB, self._ref)
        known = self._found.setdefault(path, [])
        number = 0
        while True:
            while number == len(known):
                commit = next(self._walk, None)
                if commit is None:
                    return
                for name in commit.files:
                    if name in self._found:
                        self._found[name].append(commit)
            yield known[number]
            number += 1

    def _state(self, blob: str, path: str, number: int) -> State:
        """Return the status in ``blob``, the one with this number in the history of ``path``.

        The blobs with this number of all other apps are read with it.
        """
        from renderer.git.objects import read_blobs

        if blob not in self._texts:
            wanted = {changes[number].files[name] for name, changes in self._found.items() if number < len(changes)}
            wanted = {name for name in (*wanted, blob) if name and name not in self._texts}
            self._texts.update(read_blobs(self._open_repository(), wanted))
        if blob not in self._states:
            self._states[blob] = load_state(self._texts[blob].decode(errors="replace"), path)
        return self._states[blob]


def beginning(history: StatusHistory, release: Release) -> StatusChange | None:
    """Return the change with which the release's step reached the branch; None if no commit has the step.

    Raises RollstepError as ``StatusHistory.changes`` does.
    """
    found = None
    for change in _at_this_step(history, release):
        found = change
    return found


def reached_at(history: StatusHistory, release: Release) -> tuple[datetime, State] | None:
    """Return the time (UTC) at which the release's step reached the branch, and the status then.

    A commit that this clone has pushed later, because a first push was refused, has reached the branch with that push.
    Returns None if no commit has the step; raises RollstepError as ``StatusHistory.changes`` does.
    """
    found = beginning(history, release)
    if found is None:
        return None
    assert found.state is not None
    return _arrived_at(history, release, found), found.state


def _arrived_at(history: StatusHistory, release: Release, change: StatusChange) -> datetime:
    pushed = history.pushed_at(change.commit.sha)
    return change.commit.time if pushed is None or pushed > release.world.now else max(pushed, change.commit.time)


def run_began_at(history: StatusHistory, release: Release, name: str) -> datetime | None:
    """Return the time (UTC) at which the status with an analysis run, or an experiment, reached the branch.

    As in ``reached_at``.  Returns None if no commit has it; raises RollstepError as ``StatusHistory.changes`` does.
    """
    found = None
    for change in history.changes(release.folder):
        if change.state is None or name not in _runs_in(change.state):
            break
        found = change
    return None if found is None else _arrived_at(history, release, found)


def _runs_in(state: State) -> set[str]:
    names = {run.name for _, run in runs_of(state.status)}
    return names | {state.status.canary.current_experiment}


def remaining_pause(history: StatusHistory, release: Release) -> Wait | None:
    """Return the rest of a timed pause that is over by the status, but not since its step reached the branch.

    The status has the time of the step's commit, which a pull request may merge days later.  Raises RollstepError as
    ``StatusHistory.changes`` does.
    """
    world = release.world
    if release.state is None or not is_over(release):
        return None
    found = reached_at(history, release)
    if found is None:
        return None
    time, state = found
    if not state.last_update_time < time <= world.now:
        return None
    end = pause_end(world)
    assert end is not None
    end += time - state.last_update_time
    return Wait(wait(replace(world, now=state.last_update_time)).reason, end) if end > world.now else None


def waits_of(releases: Sequence[Release]) -> list[Wait | None]:
    """Return the reason that only git's history knows why each release in one repository does not go on.

    It is that of ``hold`` or of ``remaining_pause``; None without one, and for a release whose history git lacks.
    """
    is_asked = [_may_be_held(release) for release in releases]
    asked = list(compress(releases, is_asked))
    if not asked:
        return [None] * len(releases)
    from renderer.git.repository import Repository

    def reason(release: Release) -> Wait | None:
        try:
            return hold(history, release, advance(release.world)) or remaining_pause(history, release)
        except RollstepError:
            return None

    try:
        repository = Repository.open(asked[0].root)
    except RollstepError:
        # The status of a release is known without git, too.
        return [None] * len(releases)
    with closing(StatusHistory(lambda: repository, [release.folder for release in asked])) as history:
        return [
            reason(release) if may_be_held else None for release, may_be_held in zip(releases, is_asked, strict=True)
        ]


def hold(history: StatusHistory, release: Release, move: Move | None) -> Wait | None:
    """Return that the branch has taken back what ``move``, the next one of ``advance``, does; None if it may be done.

    A release is held at a status that the branch had before and left, whatever made it return: a revert, an older
    tree, a reset.  A new version is held if the branch has taken its revision back; another one may begin.

    Raises RollstepError as ``StatusHistory.changes`` does.
    """
    if not _may_be_held(release):
        return None
    begun = (move.after if move is not None else release.world).status.current_pod_hash
    if release.state is None or release.state.status.current_pod_hash != begun:
        commit = _took_back_revision(history, release.folder, begun)
    else:
        steps = _at_this_step(history, release)
        commit = next((change.commit for change in steps if _returns(history, release.folder, change)), None)
    return None if commit is None else Wait(HELD, None, f"{commit.sha[:9]} ({commit.subject})")


def _may_be_held(release: Release) -> bool:
    """Return whether a release is under way, or has a version that waits."""
    world = release.world
    if release.state is None:
        return True
    return not is_promoted(world) or bool(wait(world).reason or world.phase_left or waiting_version(world))


def is_over(release: Release) -> bool:
    """Return whether the release has a timed pause that is over by the status."""
    end = pause_end(release.world)
    return end is not None and end <= release.world.now


def _at_this_step(history: StatusHistory, release: Release) -> Iterator[StatusChange]:
    """Yield the changes that left the release at the step at which it is, newest first."""
    here = None
    for change in history.changes(release.folder):
        if change.state is None or (here is not None and here != _position(change.state)):
            return
        yield change
        # A result is no step, but it may take the release back.
        verb = "" if change.commit.trailer == ANALYZE else change.commit.trailer
        if verb and verb not in STAYING:
            return
        # The scale of a release in phases may change its phase.
        here = None if verb else _position(change.state)


def _returns(history: StatusHistory, folder: Path, change: StatusChange) -> bool:
    """Return whether the commit of ``change`` brings back a status, or its absence, that the branch had and left."""
    if change.state is None:
        return True
    changes = history.changes(folder)
    for newer in changes:
        if newer.commit is change.commit:
            break
    for older in changes:
        is_later = older.state is None or older.state.last_update_time <= change.state.last_update_time
        if change.commit.trailer and is_later:
            # A verb that undoes another one within the same second, such as `resume` after `pause`.
            return False
        if older.blob == change.blob:
            return True
        # An older status is from before the one of ``change`` was made.
        if older.state is not None and older.state.last_update_time < change.state.last_update_time:
            return False
    return False


def _took_back_revision(history: StatusHistory, folder: Path, pod_hash: str) -> FileChange | None:
    """Return the commit that left the revision of ``pod_hash`` for an older status; None without one."""
    newer: StatusChange | None = None
    for change in history.changes(folder):
        if change.state is not None and change.state.status.current_pod_hash == pod_hash:
            return newer.commit if newer is not None and _returns(history, folder, newer) else None
        newer = change
    return None


def _position(state: State) -> tuple[object, ...]:
    """Return what a step changes in a status, without what a change of scale or a manual pause does."""
    status, weights = state.status, state.status.canary.weights
    return (
        state.revision,
        status.current_pod_hash,
        status.stable_rs,
        status.current_step_index,
        status.abort,
        status.promote_full,
        status.blue_green.active_selector,
        status.blue_green.preview_selector,
        None if weights is None else weights.canary.weight,
        state.phase,
        state.phase_left,
    )
