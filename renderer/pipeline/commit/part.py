"""TODO."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import StepChange
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.output_folder import Planned
from renderer.pipeline.write.prepared import Prepared
from renderer.pipeline.write.spool import PlannedFile

if TYPE_CHECKING:
    pass


class Request(Struct, frozen=True):
    """What the command line asked for; the fields are the options' names."""

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

    ``made_from`` are the absolute paths of all files and folders that the app is made from, ``edited`` its sources with
    their new text (None: they go), ``planned`` the files of its folder and its status as they are to be, and ``change``
    what the message tells.  ``texts`` are all files of its folder by name, where they are to be validated.
    """

    home: Home
    made_from: tuple[str, ...]
    edited: Mapping[Path, str | None]
    planned: tuple[PlannedFile, ...]
    change: StepChange
    texts: Mapping[str, str]


def part_of(prepared: Prepared, folder: str = "", validate: bool = True) -> Part:
    """Return a moved release's part in a commit; raise RollstepError where one of its sources cannot be edited.

    With a ``folder`` new files are written ahead to it.  ``validate`` tells whether anybody validates the files.
    """
    release, made, move, changes = prepared.release, prepared.rendered, prepared.move, prepared.changes
    assert made is not None and move is not None and changes is not None and prepared.change is not None
    edited, planned = edited_sources(release, move), Planned()
    changes.stage(planned)
    planned.write(f"{release.home.ref.folder}/{STATUS_FILE}", made.status_text)
    files: Iterable[PlannedFile] = planned.files
    if folder:
        # Only a fleet's files are written ahead.
        from renderer.pipeline.write.new_files import write_ahead

        files = write_ahead(folder, planned.files, set(changes.kept()))
    texts = changes.files if validate else {}
    return Part(release.home, made_from(release), edited, tuple(files), prepared.change, texts)


def made_from(release: Release) -> tuple[str, ...]:
    """Return the absolute paths of the files and folders that an app is made from, sorted."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # What a command reads it alone knows: without a setting, that may be anything in the repository.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    return tuple(sorted({os.path.abspath(path) for path in paths}))
