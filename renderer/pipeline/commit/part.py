"""An app's part in a commit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from renderer.kubernetes.manifest import ObjectKey
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.marker import digest
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import OWN_FILES
from renderer.pipeline.resolve.moves import Move, is_new_release
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import StepChange
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.moved_app import MovedApp
from renderer.pipeline.write.new_files import PlannedFile, write_new_files
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.managed_objects import created_objects


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
    message.  ``texts`` are the rendered files by name, and those of later commits, for validation.  ``makes`` are the
    objects that exist because of the release alone: those of this commit, and of a release that begins all that its
    routers make.  ``read`` has the digests of the edited files as the verb read them.
    """

    home: Home
    inputs: tuple[str, ...]
    edited: tuple[str, ...]
    planned: tuple[PlannedFile, ...]
    unchanged: frozenset[str]
    change: StepChange
    texts: Mapping[str, str]
    makes: tuple[ObjectKey, ...] = ()
    read: Mapping[str, str] = {}

    @property
    def rendered_paths(self) -> Iterator[str]:
        """The absolute paths of the files of the commit that rollstep renders, without deleted ones."""
        output, own = f"{self.home.output}/", {str(self.home.ref.folder / name) for name in OWN_FILES}
        for path, content in self.planned:
            if content is not None and (path.startswith(output) or path in own):
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
    texts = {**moved.app.files, **moved.coming} if validate else {}
    sources = tuple(map(str, edited))
    makes = tuple(sorted(_makes(moved.move)))
    read = {str(path): digest(text.encode()) for path, text in texts_before.items()}
    inputs = input_paths(moved.release)
    return Part(moved.release.home, inputs, sources, files, unchanged, moved.change, texts, makes, read)


def _makes(move: Move) -> set[ObjectKey]:
    before, after = move.before, move.after
    declared = set(created_objects(after.rollout))
    if is_new_release(before.status, after.status):
        return declared
    new = after.objects.keys() - before.objects.keys()
    return {key for key in new if key in declared or belongs_to_experiment(after.objects[key])}


def input_paths(release: Release) -> tuple[str, ...]:
    """Return the absolute paths of the files and folders that an app depends on, sorted."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # The default of ``reads`` is the whole repository, since a command may read any file.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    return tuple(sorted({os.path.abspath(path) for path in paths}))
