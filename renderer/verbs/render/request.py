"""The options of ``render``."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from renderer.verbs.apps.shards import Shard


class Mode(Enum):
    """What happens to rendered files."""

    WRITE = "write"
    CHECK = "check"
    DIFF = "diff"


class RenderRequest(Struct, frozen=True):
    """The options of one run."""

    directory: str
    targets: tuple[str, ...]
    step: int | None
    mode: Mode
    validate: bool
    now: datetime | None
    output: str = "yaml"
    shard: Shard | None = None
    jobs: int = 0
    """The number of processes; 0 for as many as pay."""
    executor: str = ""
    keeps: bool = True
    """Whether the cache is read and written."""

    @property
    def is_plain_check(self) -> bool:
        """Whether the last check of the same targets tells which apps are up to date still."""
        is_of_now = self.step is None and self.now is None and self.shard is None
        return self.mode is Mode.CHECK and self.output != "json" and is_of_now and self.keeps

    def at(self, time: datetime) -> RenderRequest:
        """Return the request with ``time`` for its clock, where it has none of its own."""
        return replace(self, now=self.now or time)
