"""What a ``render`` is asked for."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from renderer.verbs.apps.shards import Shard

if TYPE_CHECKING:
    pass


class RenderRequest(Struct, frozen=True):
    """What the command line asked for."""

    directory: str
    targets: tuple[str, ...]
    step: int | None
    mode: Mode
    validate: bool
    now: datetime | None
    output: str = "yaml"
    shard: Shard | None = None
    jobs: int = 0
    """How many processes do it; 0 for as many as pay."""
    executor: str = ""
    keeps: bool = True
    """Whether what was rendered is kept, and what is kept is used."""

    def at(self, time: datetime) -> RenderRequest:
        """Return the request with ``time`` for its clock, where it has none of its own."""
        return replace(self, now=self.now or time)


class Mode(Enum):
    """What a command does with what it has rendered."""

    WRITE = "write"
    CHECK = "check"
    DIFF = "diff"
