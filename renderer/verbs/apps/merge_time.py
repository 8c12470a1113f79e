"""When a commit came to the branch, where that is not when it was made: a pause begins with the merge (shell)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from renderer.pipeline.commit.trailers import APP
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.resolve.moves import Wait, wait
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.controller.timing import pause_end

if TYPE_CHECKING:
    from renderer.git.repository import Repository


class Landings:
    """When the status of apps came to the branch, as HEAD has it.

    The branch is walked once for all of them, newest commit first, and no further than what is asked for.
    """

    def __init__(self, repository: Callable[[], Repository], folders: Sequence[Path]) -> None:
        """Take what opens the repository, and the folders of all apps that are going to be asked for."""
        self._repository = repository
        self._folders = folders
        self._walk: Generator[tuple[datetime | None, tuple[str, ...]]] | None = None
        self._found: dict[str, datetime | None] = {}

    def of(self, folder: Path) -> datetime | None:
        """Return when the status of the app in ``folder`` came by a merge, or a commit with our trailers (UTC).

        None where another commit brought it, or none has it.
        """
        repository = self._repository()
        path = repository.relative(folder / STATUS_FILE)
        if self._walk is None:
            self._walk = repository.merge_times([folder / STATUS_FILE for folder in self._folders], APP)
        while path not in self._found:
            landing = next(self._walk, None)
            if landing is None:
                return None
            when, paths = landing
            for name in paths:
                self._found.setdefault(name, when)
        return self._found[path]

    def close(self) -> None:
        """Let git go."""
        if self._walk is not None:
            self._walk.close()


def still_paused(landings: Landings, release: Release) -> Wait | None:
    """Return the pause that is over by the status and not by what happened: it began when its step was merged.

    The status tells when the step's commit was made, for a pull request maybe days before anybody applied it.
    """
    world, state = release.world, release.state
    if state is None or not _is_over(release):
        return None
    landed = landings.of(release.folder)
    if landed is None or not state.last_update_time < landed <= world.now:
        return None
    end = pause_end(world)
    assert end is not None
    end += landed - state.last_update_time
    return Wait(wait(replace(world, now=state.last_update_time)).reason, end) if end > world.now else None


def pauses_of(releases: Sequence[Release]) -> list[Wait | None]:
    """Return ``still_paused`` of the repository that each release lies in; None where it lies in none."""
    paused = [release for release in releases if _is_over(release)]
    if not paused:
        return [None] * len(releases)
    from renderer.errors import RollstepError
    from renderer.git.repository import Repository

    try:
        repository = Repository.open(paused[0].root)
    except RollstepError:
        # Where a release stands can be told without git, too.
        return [None] * len(releases)
    with closing(Landings(lambda: repository, [release.folder for release in paused])) as landings:
        return [still_paused(landings, release) for release in releases]


def _is_over(release: Release) -> bool:
    end = pause_end(release.world)
    return end is not None and end <= release.world.now
