"""An app's part in a commit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import StepChange
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.new_files import PlannedFile, stored
from renderer.pipeline.write.rendered_app import MovedApp


class Request(Struct, frozen=True):
    """The options of a verb that commits, by their names."""

    directory: str
    targets: tuple[str, ...]
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


class Part(Struct, frozen=True):
    """An app's part in a commit.

    ``made_from`` are the absolute paths of all files and folders that the app is made from.  ``planned`` are the files
    that the commit has, edited sources first; those at the paths ``kept`` hold their text already.  ``change`` is what
    the message says.  ``texts`` are the rendered files by name, for validation.
    """

    home: Home
    made_from: tuple[str, ...]
    planned: tuple[PlannedFile, ...]
    kept: frozenset[str]
    change: StepChange
    texts: Mapping[str, str]


def part_of(moved: MovedApp, folder: str = "", *, validate: bool = True) -> Part:
    """Return a moved app's part in a commit; raise RollstepError where one of its sources cannot be edited.

    With a ``folder``, new files are written there already.  Without ``validate`` the part has no texts.
    """
    assert moved.move is not None and moved.app is not None and moved.change is not None
    edited = edited_sources(moved.release, moved.move)
    planned = [*((str(path), text) for path, text in edited.items()), *moved.app.planned]
    kept = frozenset(moved.app.kept)
    files = tuple(stored(folder, planned, kept)) if folder else tuple(planned)
    texts = moved.app.files if validate else {}
    return Part(moved.release.home, made_from(moved.release), files, kept, moved.change, texts)


def made_from(release: Release) -> tuple[str, ...]:
    """Return the absolute paths of the files and folders that an app is made from, sorted."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # Only a command knows what it reads: without a setting, that may be anything in the repository.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    return tuple(sorted({os.path.abspath(path) for path in paths}))
