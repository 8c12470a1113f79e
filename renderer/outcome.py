"""What a verb is asked to do, and what it came to for one app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from renderer.app_release import Release, Rendered
from renderer.changes import StepChange
from renderer.model import World
from renderer.release import Move, Wait
from renderer.write import Changes

Verb = Callable[[World], Move | None]
"""What a command does to a world: a move, or None where there is nothing to do now."""


@dataclass(frozen=True, slots=True)
class Request:
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb came to for one app: a move and what is rendered of it, or the reason why there is none."""

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
