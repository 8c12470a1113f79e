"""The new files of a run: written into the journal's folder as soon as their text is known.

A transaction then has no more to do than to rename them.  The run holds the journal's lock from its first new file to
its end, and other processes of the run write into the same folder.  A killed run leaves files without an index there,
which the next run removes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from renderer.errors import Finding, RollstepError, reporting
from renderer.pipeline.load.marker import digest
from renderer.pipeline.write.journal import JOURNAL, acquire, clear, pending, release, store

PATIENCE = 120.0
"""Seconds for which a run waits for another run that writes."""


class NewFile(NamedTuple):
    """The content that a file is to hold: the name of the new file in the journal's folder, and the SHA-256.

    The name is empty where the file holds that content already.
    """

    name: str
    digest: str


PlannedFile = tuple[str, str | NewFile | None]
"""The path of a file and what it is to hold; None for a file that is deleted."""

_numbers = count()


class NewFiles:
    """The new files of one run below ``root``, which no change may leave."""

    def __init__(self, root: Path, *, in_memory: bool = False) -> None:
        """Take the root; ``in_memory`` keeps contents of a run that writes nothing (a dry run, a pull request)."""
        self.root = root.resolve()
        self._contents: dict[str, bytes] | None = {} if in_memory else None
        self._lock = -1

    @property
    def in_memory(self) -> bool:
        """Whether nothing is written."""
        return self._contents is not None

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the folder, but for the journal of a transaction that could not be rolled back."""
        if self._lock >= 0:
            release(self.root, self._lock)
            self._lock = -1

    def open(self) -> str:
        """Take the journal's lock and return the path of its folder, for other processes to write to.

        Raises RollstepError where another run does not end, where an interrupted run has to be recovered first, and
        where the folder cannot be made.
        """
        if self._lock < 0:
            lock = acquire(self.root, PATIENCE)
            if lock < 0:
                raise RollstepError(
                    [Finding(JOURNAL, 0, 0, "", "another rollstep process is changing files here", "wait for it")]
                )
            self._lock = lock
            if pending(self.root):
                raise RollstepError([Finding(JOURNAL, 0, 0, "", "an interrupted run has to be recovered first")])
            with reporting(JOURNAL):
                clear(self.root)
                # Git is not to see any of it, not for a moment.
                store(f"{self.root}/{JOURNAL}/.gitignore", b"*\n")
        return f"{self.root}/{JOURNAL}"

    def add(self, content: bytes) -> NewFile:
        """Write a new file; raise RollstepError where there is no room."""
        if self._contents is None:
            return _store(self.open(), content)
        found = NewFile("", digest(content))
        self._contents[found.digest] = content
        return found

    def read(self, path: str, new: NewFile) -> bytes:
        """Return the content of a new file, or of the file at ``path``, which holds it already."""
        if self._contents is not None and new.digest in self._contents:
            return self._contents[new.digest]
        place = f"{JOURNAL}/{new.name}" if new.name else path
        return (self.root / place).read_bytes()


def stored(folder: str, planned: Iterable[PlannedFile], kept: Collection[str]) -> Iterator[PlannedFile]:
    """Yield ``planned`` with its texts written to the journal's ``folder``, but those of files at the paths ``kept``.

    Raises RollstepError where a text cannot be written.
    """
    for path, text in planned:
        if not isinstance(text, str):
            yield path, text
        elif path in kept:
            yield path, NewFile("", digest(text.encode()))
        else:
            yield path, _store(folder, text.encode())


def _store(folder: str, content: bytes) -> NewFile:
    name = f"new-{os.getpid()}-{next(_numbers)}"
    with reporting(JOURNAL):
        store(f"{folder}/{name}", content)
    return NewFile(name, digest(content))
