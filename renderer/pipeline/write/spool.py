"""Texts that wait to be written: in memory as long as they are few, then in a temporary file without a name."""

from __future__ import annotations

from io import BytesIO
from typing import IO, NamedTuple

from renderer.pipeline.load.marker import digest

MOST_IN_MEMORY = 8_000_000
"""Bytes from which on a file holds them: a fleet has gigabytes."""


class Kept(NamedTuple):
    """Where a text lies in a spool, and its SHA-256 in hexadecimal."""

    start: int
    size: int
    digest: str


class Written(NamedTuple):
    """A text that is in its new file already: the path below the journal's folder, and its SHA-256 in hexadecimal."""

    name: str
    digest: str


PlannedFile = tuple[str, str | Written | None]
"""The path of a file and what it is to hold, None where it is to be gone."""


class Spool:
    """Keeps texts until they are read; nobody else sees its file, which is gone with the process."""

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._size = 0
        self._is_small = True

    def __del__(self) -> None:
        self._file.close()

    def add(self, content: bytes) -> Kept:
        """Keep ``content``; raise OSError where there is no room."""
        if self._is_small and self._size + len(content) > MOST_IN_MEMORY:
            # Only a fleet needs it.
            from tempfile import TemporaryFile

            small, self._file, self._is_small = self._file, TemporaryFile(), False  # noqa: SIM115  # closed with the spool
            small.seek(0)
            self._file.write(small.read())
        self._file.seek(self._size)
        self._file.write(content)
        kept = Kept(self._size, len(content), digest(content))
        self._size += len(content)
        return kept

    def read(self, kept: Kept) -> bytes:
        """Return what was kept."""
        self._file.seek(kept.start)
        return self._file.read(kept.size)
