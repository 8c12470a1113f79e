"""The new files of a run, written into the journal's folder as soon as their text is known.

A transaction then only renames them.  The run has the journal's lock from its first new file to its end, and other
processes of the run write into the same folder.  A killed run leaves files without an index, which the next run
removes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from renderer.errors import RollstepError, reporting
from renderer.pipeline.load.marker import digest
from renderer.pipeline.write.journal import JOURNAL, acquire, clear, pending, release, write_file

PATIENCE = 120.0
"""The seconds that a run waits for another run that writes."""


class NewFile(NamedTuple):
    """The planned content of a file: the name of the new file in the journal's folder, and its SHA-256.

    The name is empty if the file has that content already.
    """

    name: str
    digest: str


PlannedFile = tuple[str, str | NewFile | None]
"""The path of a file and its planned content; None for a file that is deleted."""

_numbers = count()


class NewFiles:
    """The new files of one run; its transactions change files below ``root`` only."""

    def __init__(self, root: Path, *, in_memory: bool = False) -> None:
        """Take the root; ``in_memory`` is for a run that writes no files (a dry run, a pull request)."""
        self.root = root.resolve()
        self._contents: dict[str, bytes] | None = {} if in_memory else None
        self._lock = -1

    @property
    def in_memory(self) -> bool:
        """True if the run writes no files."""
        return self._contents is not None

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the folder, unless it has the journal of a transaction that could not be rolled back."""
        if self._lock >= 0:
            release(self.root, self._lock)
            self._lock = -1

    def open(self) -> str:
        """Lock the journal and return the path of its folder, into which other processes of the run may write.

        Raises RollstepError if another run does not end, if an interrupted run must be recovered first, and if the
        folder cannot be created.
        """
        if self._lock < 0:
            lock = acquire(self.root, PATIENCE)
            if lock < 0:
                raise RollstepError.at(JOURNAL, "another rollstep process is changing files here", "wait for it")
            self._lock = lock
            if pending(self.root):
                raise RollstepError.at(JOURNAL, "an interrupted run has to be recovered first")
            with reporting(JOURNAL):
                clear(self.root)
                # Git must not see any of the files.
                write_file(f"{self.root}/{JOURNAL}/.gitignore", b"*\n")
        return f"{self.root}/{JOURNAL}"

    def add(self, content: bytes) -> NewFile:
        """Write a new file; raise RollstepError if that fails."""
        if self._contents is None:
            return _store(self.open(), content)
        found = NewFile("", digest(content))
        self._contents[found.digest] = content
        return found

    def read(self, path: str, new: NewFile) -> bytes:
        """Return the content of a new file; the file at ``path`` may have it already."""
        if self._contents is not None and new.digest in self._contents:
            return self._contents[new.digest]
        place = f"{JOURNAL}/{new.name}" if new.name else path
        return (self.root / place).read_bytes()


def write_new_files(folder: str, planned: Iterable[PlannedFile], unchanged: Collection[str]) -> Iterator[PlannedFile]:
    """Yield ``planned`` with each text written to the journal's ``folder``, except for the paths ``unchanged``.

    Raises RollstepError if a text cannot be written.
    """
    for path, text in planned:
        if not isinstance(text, str):
            yield path, text
        elif path in unchanged:
            yield path, NewFile("", digest(text.encode()))
        else:
            yield path, _store(folder, text.encode())


def _store(folder: str, content: bytes) -> NewFile:
    name = f"new-{os.getpid()}-{next(_numbers)}"
    with reporting(JOURNAL):
        write_file(f"{folder}/{name}", content)
    return NewFile(name, digest(content))
