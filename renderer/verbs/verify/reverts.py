"""Reverts: commits that put an app back into a state that it had before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from renderer.errors import RollstepError
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.verbs.verify.app_state import AppLocation, AppState
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader


def is_revert(loader: Loader, change: Change, after: AppState, before: AppState) -> bool:
    """Return whether the commit puts the app legally back into a state of its history.

    Reverting the last change is legal, whatever it was; reverting several at once only where it sends no more traffic
    to the new version.
    """
    if not before.exists or not change.parent:
        return False
    history = _history(loader, change.parent, before)
    (restored,) = _names(loader, [change.commit.sha], after.location)
    (current,) = _names(loader, [change.parent], before.location)
    if restored not in history:
        return False
    previous = {history[index + 1] for index, state in enumerate(history[:-1]) if state == current}
    return restored in previous or not moves_forward(loader, change, after, before)


def is_first_release(loader: Loader, parent: str, before: AppState) -> bool:
    """Return whether the app in ``parent`` is in the state of its first commit; a revert of that leaves no state."""
    state = before.state()
    is_first = state is not None and state.revision == 1
    return is_first and _history(loader, parent, before)[-1:] == _names(loader, [parent], before.location)


def restored_commit(loader: Loader, change: Change, after: AppState, before: AppState) -> str:
    """Return the latest commit before ``change`` with the app in the state ``after``; empty without one."""
    (restored,) = _names(loader, [change.commit.sha], after.location)
    return next((sha for sha, names in _states(loader, change.parent, before.location) if names == restored), "")


def last_change(loader: Loader, parent: str, before: AppState) -> str:
    """Return the last commit up to ``parent`` that changes an app's status or rendered files; empty without one."""
    paths = before.location.paths
    return loader.repository.run("rev-list", "-1", "--first-parent", parent, "--", *paths).stdout.decode().strip()


def moves_forward(loader: Loader, change: Change, after: AppState, before: AppState) -> bool:
    """Return whether a commit takes the app's release forward; True also where a state cannot be loaded."""
    try:
        old = loader.release(change.commit.sha, after.location, before, change.parent, before.state()).world
        new = loader.release(change.commit.sha, after.location, after, change.commit.sha, after.state()).world
    except RollstepError:
        return True
    return goes_forward(old, new)


def _history(loader: Loader, parent: str, before: AppState) -> list[tuple[str, ...]]:
    """Return the object names of the app's status, runs and output folder, newest first, from ``parent`` back."""
    return [names for _, names in _states(loader, parent, before.location)]


def _states(loader: Loader, parent: str, location: AppLocation) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each commit that changes the app, with the object names after it, also before a move of its folder."""
    args = ("rev-list", "--first-parent", parent, "--", *location.paths)
    commits = loader.repository.run(*args).stdout.decode().split()
    yield from zip(commits, _names(loader, commits, location), strict=True)
    moved_from = loader.repository.moved_from(commits[-1], location.status_file) if commits else ""
    if moved_from:
        folder = moved_from.rpartition("/")[0]
        output = f"{folder}/{location.output.removeprefix(f'{location.folder}/')}"
        older = AppLocation(location.environment, location.app, folder, output)
        yield from _states(loader, f"{commits[-1]}^1", older)


def _names(loader: Loader, commits: Sequence[str], location: AppLocation) -> list[tuple[str, ...]]:
    paths = location.paths
    names = loader.objects.names([f"{sha}:{path}" for sha in commits for path in paths])
    return list(zip(*(names[number :: len(paths)] for number in range(len(paths))), strict=True))
