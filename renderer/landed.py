"""When a commit came to the branch, where that is not when it was made: a pause begins with the merge (shell)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from renderer.engine.timing import pause_end
from renderer.release import Wait, wait
from renderer.state import STATUS_FILE
from renderer.workspace import Release

if TYPE_CHECKING:
    from renderer.git import Repository


def still_paused(repository: Repository, release: Release) -> Wait | None:
    """Return the pause that is over by the status and not by what happened: it began when its step was merged.

    The status tells when the step's commit was made, for a pull request maybe days before anybody applied it.
    """
    world, state = release.world, release.state
    end = pause_end(world)
    if state is None or end is None or end > world.now:
        return None
    landed = repository.landed(release.folder / STATUS_FILE)
    if landed is None or not state.last_update_time < landed <= world.now:
        return None
    end += landed - state.last_update_time
    return Wait(wait(replace(world, now=state.last_update_time)).reason, end) if end > world.now else None


def pause_of(release: Release) -> Wait | None:
    """Return :func:`still_paused` of the repository that the release lies in; None where it lies in none."""
    end = pause_end(release.world)
    if end is None or end > release.world.now:
        return None
    from renderer.errors import RollstepError
    from renderer.git import Repository

    try:
        repository = Repository.open(release.root)
    except RollstepError:
        # Where a release stands can be told without git, too.
        return None
    return still_paused(repository, release)
