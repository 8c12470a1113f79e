"""The options of ``render``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from renderer.verbs.apps.shards import Shard
from renderer.verbs.cache.renders import RenderCache

AMEND_HINT = "commit the change on top, without --amend"
"""The way on where ``--amend`` makes of a legal commit another one that no verb makes."""


class Mode(Enum):
    """The use of the rendered files."""

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
    """The number of processes; 0 chooses the fastest."""
    executor: str = ""
    use_cache: bool = True
    earlier: Mapping[str, str] = {}
    """The folders with the status and the rendered files from which some apps go on, by target."""

    @property
    def is_plain_check(self) -> bool:
        """True if the run can use and save the answer of the last check."""
        is_current = self.step is None and self.now is None and self.shard is None
        return self.mode is Mode.CHECK and self.output != "json" and is_current and self.use_cache and not self.earlier

    def at(self, time: datetime) -> RenderRequest:
        """Return the request with ``time`` as the current time, unless it has one."""
        return replace(self, now=self.now or time)

    def open_cache(self) -> RenderCache | None:
        """Return the cache of rendered apps; None without one."""
        return RenderCache.open(self.step) if self.use_cache else None
