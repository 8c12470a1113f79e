"""An app's part in a commit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.marker import digest
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import StepChange
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.moved_app import MovedApp
from renderer.pipeline.write.new_files import PlannedFile, write_new_files


class Request(Struct, frozen=True):
    """The options of a verb that commits.

    ``every`` names all apps, in place of ``targets``; ``yes`` answers the question before several apps change.
    """

    directory: str
    targets: tuple[str, ...]
    every: bool = False
    yes: bool = False
    now: datetime | None = None
    output: str = "text"
    dry_run: bool = False
    validate: bool = True
    include_sources: bool = False
    message: str | None = None
    allow_detached: bool = False
    break_glass: str | None = None
    push: bool = False
    lag: tuple[str, ...] = ()
    jobs: int = 0
    new_source: bool = False


class Part(Struct, frozen=True):
    """An app's part in a commit.

    ``inputs`` are the absolute paths of all files and folders that the app depends on, ``edited`` those of the user's
    files that the verb edits.  ``planned`` are the files of
    the commit, edited sources first; those at the paths ``unchanged`` have their text already.  ``change`` is for the
    message.  ``texts`` are the rendered files by name, for validation.  ``read`` has the digests
    of the edited files as the verb read them.
    """

    home: Home
    inputs: tuple[str, ...]
    edited: tuple[str, ...]
    planned: tuple[PlannedFile, ...]
    unchanged: frozenset[str]
    change: StepChange
    texts: Mapping[str, str]
    read: Mapping[str, str] = {}

    @property
    def rendered_paths(self) -> Iterator[str]:
        """The absolute paths of the files of the commit that rollstep renders, without deleted ones."""
        output, status = f"{self.home.output}/", str(self.home.ref.folder / STATUS_FILE)
        for path, content in self.planned:
            if content is not None and (path.startswith(output) or path == status):
                yield path


def part_of(moved: MovedApp, folder: str = "", *, validate: bool = True) -> Part:
    """Return a moved app's part in a commit; raise RollstepError if one of its sources cannot be edited.

    Writes new files to ``folder`` if it is given.  Without ``validate`` the part has no texts.
    """
    assert moved.move is not None and moved.app is not None and moved.change is not None
    texts_before: dict[Path, str] = {}
    edited = edited_sources(moved.release, moved.move, texts_before)
    planned = [*((str(path), text) for path, text in edited.items()), *moved.app.planned]
    unchanged = frozenset(moved.app.unchanged)
    files = tuple(write_new_files(folder, planned, unchanged)) if folder else tuple(planned)
    texts = moved.app.files if validate else {}
    sources = tuple(map(str, edited))
    read = {str(path): digest(text.encode()) for path, text in texts_before.items()}
    return Part(moved.release.home, input_paths(moved.release), sources, files, unchanged, moved.change, texts, read)


def input_paths(release: Release) -> tuple[str, ...]:
    """Return the absolute paths of the files and folders that an app depends on, sorted."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # The default of ``reads`` is the whole repository, since a command may read any file.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    return tuple(sorted({os.path.abspath(path) for path in paths}))
