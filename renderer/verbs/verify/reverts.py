"""Whether a commit puts an app back to where it stood before: what `git revert` does."""

from __future__ import annotations

from renderer.errors import RollstepError
from renderer.git.objects import object_names
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.verbs.verify.app_state import AppState
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader


def comes_back(loader: Loader, change: Change, now: AppState, then: AppState) -> bool:
    """Tell whether the app stands in this commit as it stood once before the parent, and may go back there.

    One change of the app can be taken back, whatever it did; several at once where that sends no more traffic to the
    new version than it gets now.
    """
    if not then.is_there or not change.parent:
        return False
    states = _states(loader, change.parent, then)
    wanted, current = _names(loader, [change.commit.sha], now)[0], _names(loader, [change.parent], then)[0]
    if wanted not in states:
        return False
    followed = {states[at + 1] for at, state in enumerate(states[:-1]) if state == current}
    return wanted in followed or not leads_forward(loader, change, now, then)


def began(loader: Loader, parent: str, then: AppState) -> bool:
    """Tell whether the app stands in ``parent`` as its first release left it: taken back, nothing of it is there."""
    state = then.state()
    is_first = state is not None and state.revision == 1
    return is_first and _states(loader, parent, then)[-1:] == _names(loader, [parent], then)


def earlier_commit(loader: Loader, change: Change, now: AppState, then: AppState) -> str:
    """Return the latest commit before ``change`` in which the app stood as it does now; empty where there is none."""
    wanted = _names(loader, [change.commit.sha], now)[0]
    commits = _commits(loader, change.parent, then)
    return next((sha for sha, names in zip(commits, _names(loader, commits, then), strict=True) if names == wanted), "")


def _states(loader: Loader, parent: str, then: AppState) -> list[tuple[str, str]]:
    """Return what the app's status and output folder were, newest first, from ``parent`` back."""
    return _names(loader, _commits(loader, parent, then), then)


def _commits(loader: Loader, parent: str, then: AppState) -> list[str]:
    """Return the commits that change the app's status or output folder, newest first, from ``parent`` back."""
    args = ("rev-list", "--first-parent", parent, "--", then.place.status_file, then.place.output)
    return loader.repository.run(*args).stdout.decode().split()


def _names(loader: Loader, commits: list[str], state: AppState) -> list[tuple[str, str]]:
    place = state.place
    wanted = [f"{sha}:{path}" for sha in commits for path in (place.status_file, place.output)]
    names = object_names(loader.repository, wanted)
    return list(zip(names[::2], names[1::2], strict=True))


def leads_forward(loader: Loader, change: Change, now: AppState, then: AppState) -> bool:
    """Tell whether a commit takes the app's release forward; also where nobody can tell."""
    try:
        before = loader.release(change.commit.sha, now.place, then, change.parent, then.state()).world
        after = loader.release(change.commit.sha, now.place, now, change.commit.sha, now.state()).world
    except RollstepError:
        return True
    return goes_forward(before, after)
