"""What a verb is asked to do, and what it came to for one app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release, Rendered
from renderer.pipeline.resolve.step_change import StepChange
from renderer.pipeline.write.output_folder import Changes
from renderer.pipeline.write.spool import PlannedFile
from renderer.rollouts.model.world import World

Verb = Callable[[World], Move | None]
"""What a command does to a world: a move, or None where there is nothing to do now."""


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


class Outcome(Struct, frozen=True):
    """What a verb came to for one app: its part in a commit, or the reason why it has none, and where it stands then.

    This is what is handed from one process to another, so it has no world and no manifests.
    """

    home: Home
    part: Part | None
    reason: Wait | None
    """Why the release does not move; other manifests of the app may have changed all the same."""
    waits: str
    """The same in words, also where the release moves."""
    phase: str
    revision: int
    current_step_index: int | None
    steps: int
    is_between_phases: bool


class Prepared(Struct, frozen=True):
    """An app's release, moved by a verb and rendered, or the reason why it is not moved."""

    release: Release
    move: Move | None
    rendered: Rendered | None = None
    changes: Changes | None = None
    change: StepChange | None = None
    reason: Wait | None = None

    @property
    def world(self) -> World:
        """The world as it is after the verb."""
        return self.move.after if self.move else self.release.world
