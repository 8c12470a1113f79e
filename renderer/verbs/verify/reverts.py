"""Reverts: commits that put an app back into a state that it had before."""

from __future__ import annotations

from renderer.errors import RollstepError
from renderer.git.objects import object_names
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.verbs.verify.app_state import AppState
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
    restored, current = _names(loader, [change.commit.sha], after)[0], _names(loader, [change.parent], before)[0]
    if restored not in history:
        return False
    previous = {history[index + 1] for index, state in enumerate(history[:-1]) if state == current}
    return restored in previous or not moves_forward(loader, change, after, before)


def is_first_release(loader: Loader, parent: str, before: AppState) -> bool:
    """Return whether the app in ``parent`` is in the state of its first commit; a revert of that leaves no state."""
    state = before.state()
    is_first = state is not None and state.revision == 1
    return is_first and _history(loader, parent, before)[-1:] == _names(loader, [parent], before)


def restored_commit(loader: Loader, change: Change, after: AppState, before: AppState) -> str:
    """Return the latest commit before ``change`` with the app in the state ``after``; empty without one."""
    restored = _names(loader, [change.commit.sha], after)[0]
    commits = _commits(loader, change.parent, before)
    names = _names(loader, commits, before)
    return next((sha for sha, found in zip(commits, names, strict=True) if found == restored), "")


def moves_forward(loader: Loader, change: Change, after: AppState, before: AppState) -> bool:
    """Return whether a commit takes the app's release forward; True also where a state cannot be loaded."""
    try:
        old = loader.release(change.commit.sha, after.location, before, change.parent, before.state()).world
        new = loader.release(change.commit.sha, after.location, after, change.commit.sha, after.state()).world
    except RollstepError:
        return True
    return goes_forward(old, new)


def _history(loader: Loader, parent: str, before: AppState) -> list[tuple[str, str]]:
    """Return the object names of the app's status and output folder, newest first, from ``parent`` back."""
    return _names(loader, _commits(loader, parent, before), before)


def _commits(loader: Loader, parent: str, before: AppState) -> list[str]:
    args = ("rev-list", "--first-parent", parent, "--", before.location.status_file, before.location.output)
    return loader.repository.run(*args).stdout.decode().split()


def _names(loader: Loader, commits: list[str], state: AppState) -> list[tuple[str, str]]:
    paths = (state.location.status_file, state.location.output)
    names = object_names(loader.repository, [f"{sha}:{path}" for sha in commits for path in paths])
    return list(zip(names[::2], names[1::2], strict=True))
