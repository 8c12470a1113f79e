"""New files that are written before their transaction begins, by the processes that made their text (shell).

They lie in a folder of their own within the journal's, so that a transaction has no more to do than to rename them.
That folder is locked as long as the run is alive and has no journal yet: what a killed run has left there, the next one
that writes removes.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType

from renderer.pipeline.load.marker import digest
from renderer.pipeline.write.journal import AHEAD, JOURNAL, clear_ahead, store
from renderer.pipeline.write.spool import PlannedFile, Written

TRIES = 100
"""How often a folder is made anew that another run has cleared away before it was locked."""

_numbers = count()


class Ahead:
    """The folder of new files of one run; there is none before ``open``, and none of it is left at the end."""

    def __init__(self, root: Path) -> None:
        """Take the root of the transaction that is going to have the files."""
        self._journal = f"{root.resolve()}/{JOURNAL}"
        self._folder = ""
        self._lock = -1

    def __enter__(self) -> Ahead:
        """Return this."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the folder, unless a journal has it."""
        folder = self._folder
        self.hand_over()
        if folder:
            clear_ahead(folder)
            # Another run's files may be there as well.
            with suppress(OSError):
                os.rmdir(self._journal)

    def open(self) -> str:
        """Make the folder and return its path; empty where that cannot be: texts have to be handed over then."""
        for _ in range(0 if os.path.islink(self._journal) else TRIES):
            self._folder = f"{self._journal}/{AHEAD}{os.getpid()}-{time.time_ns()}"
            try:
                with suppress(FileExistsError):
                    os.mkdir(self._journal)
                os.mkdir(self._folder)
                self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Git is not to see any of it, not for a moment.
                store(f"{self._folder}/.gitignore", b"*\n")
            except (FileNotFoundError, BlockingIOError):
                # Another run took it for one that was left behind: what it has removed is no place for files.
                self.hand_over()
            except OSError:
                break
            else:
                return self._folder
        self.__exit__(None, None, None)
        return ""

    def hand_over(self) -> None:
        """Leave the folder to the journal, whose lock has to be held: who has that one may remove it from now on."""
        if self._lock >= 0:
            os.close(self._lock)
        self._folder, self._lock = "", -1


def write_ahead(folder: str, planned: Iterable[PlannedFile], unchanged: Collection[str]) -> Iterator[PlannedFile]:
    """Yield ``planned`` with its texts written to ``folder``, but for those of files at the paths ``unchanged``.

    What cannot be written stays a text: the transaction says then what is wrong.
    """
    place = os.path.basename(folder)
    for path, text in planned:
        if not isinstance(text, str) or path in unchanged:
            yield path, text
            continue
        content, name = text.encode(), f"{os.getpid()}-{next(_numbers)}"
        try:
            store(f"{folder}/{name}", content)
        except OSError:
            yield path, text
        else:
            yield path, Written(f"{place}/{name}", digest(content))
