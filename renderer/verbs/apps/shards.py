"""Divides apps among several runs, as ``--shard K/N`` asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from renderer.pipeline.load.discover import AppRef

_FORM = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


class Shard(Struct, frozen=True):
    """The ``number``-th of ``count`` shards, from 1."""

    number: int
    count: int

    @classmethod
    def from_text(cls, text: str) -> Shard:
        """Read ``2/5``; raise ValueError for an invalid text."""
        match = _FORM.fullmatch(text)
        number, count = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= number <= count:
            raise ValueError(f"{text!r} is not a shard: expected K/N, such as 1/4, with K from 1 to N")
        return cls(number, count)

    def has(self, environment: str, app: str) -> bool:
        """Return whether an app belongs to this shard, by the hash of its name: other apps do not matter."""
        digest = sha256(f"{environment}/{app}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1


def in_shard(refs: Sequence[AppRef], shard: Shard | None) -> tuple[AppRef, ...]:
    """Return the apps of ``shard``, which may be empty; all apps without a shard."""
    return tuple(ref for ref in refs if shard is None or shard.has(ref.environment, ref.name))
