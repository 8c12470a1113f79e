"""Merge times of steps: a timed pause begins when its step reaches the branch, not when the step is committed."""

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


class MergeTimes:
    """The times at which the status of each app in ``folders`` reached HEAD's branch.

    The branch is walked once for all apps, newest commit first, as far as the requested apps need.
    """

    def __init__(self, open_repository: Callable[[], Repository], folders: Sequence[Path]) -> None:
        self._open_repository = open_repository
        self._folders = folders
        self._walk: Generator[tuple[datetime | None, tuple[str, ...]]] | None = None
        self._found: dict[str, datetime | None] = {}

    def of(self, folder: Path) -> datetime | None:
        """Return the time (UTC) of the merge, or of the commit with our trailers, that brought the status.

        None if another commit brought it, or no commit has it.
        """
        repository = self._open_repository()
        path = repository.relative(folder / STATUS_FILE)
        if self._walk is None:
            self._walk = repository.merge_times([folder / STATUS_FILE for folder in self._folders], APP)
        while path not in self._found:
            commit = next(self._walk, None)
            if commit is None:
                return None
            time, paths = commit
            for name in paths:
                self._found.setdefault(name, time)
        return self._found[path]

    def close(self) -> None:
        """End the git process that walks the branch."""
        if self._walk is not None:
            self._walk.close()


def remaining_pause(merge_times: MergeTimes, release: Release) -> Wait | None:
    """Return the rest of a timed pause that is over by the status, but not by the merge of its step.

    The status has the time of the step's commit, which a pull request may merge days later.
    """
    world, state = release.world, release.state
    if state is None or not _is_over(release):
        return None
    merged = merge_times.of(release.folder)
    if merged is None or not state.last_update_time < merged <= world.now:
        return None
    end = pause_end(world)
    assert end is not None
    end += merged - state.last_update_time
    return Wait(wait(replace(world, now=state.last_update_time)).reason, end) if end > world.now else None


def remaining_pauses(releases: Sequence[Release]) -> list[Wait | None]:
    """Return ``remaining_pause`` of releases in one repository; None for each of them outside a repository."""
    paused = [release for release in releases if _is_over(release)]
    if not paused:
        return [None] * len(releases)
    from renderer.errors import RollstepError
    from renderer.git.repository import Repository

    try:
        repository = Repository.open(paused[0].root)
    except RollstepError:
        # The status of a release is known without git, too.
        return [None] * len(releases)
    with closing(MergeTimes(lambda: repository, [release.folder for release in paused])) as merge_times:
        return [remaining_pause(merge_times, release) for release in releases]


def _is_over(release: Release) -> bool:
    end = pause_end(release.world)
    return end is not None and end <= release.world.now
