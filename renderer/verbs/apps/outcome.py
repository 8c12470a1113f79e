"""The outcome of a verb for one app."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from renderer.pipeline.commit.part import Part
from renderer.pipeline.load.discover import Home
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.rollouts.model.world import World

Verb = Callable[[World], Move | None]
"""A command's effect on a world: a move, or None where there is nothing to do now."""


class Outcome(Struct, frozen=True):
    """An app's part in a commit, or why it has none, and where its release stands then.

    Processes hand it over to each other, so it has no world and no manifests.
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
