"""What makes a change of several files survive a kill: the old and the new files, kept until all is done.

POSIX renames one file atomically, never several.  So everything new is written and synced beside a copy of everything
old in ``JOURNAL`` under the root; only then the new files are renamed into place.  After a kill the journal is still
there, and ``recover`` restores the old files, or, where git has the new ones already, finishes.  New files are there
before the journal has an index (``new_files``).

The journal's folder ignores itself in git and is locked by the process that owns it, so a running transaction is never
taken for an abandoned one.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding, RollstepError, reporting
from renderer.pipeline.load.marker import digest

JOURNAL = ".rollstep-journal"
"""The folder that exists while files change; relative to the transaction's root."""

_INDEX = "journal.json"
_NEW_INDEX = "journal.tmp"
_LOCK = "lock"
_NEW_FILE = re.compile(r"new-[0-9]+-[0-9]+")
_AT_ONCE = 1000
"""Entries whose text is made in one go."""
_ONE_BY_ONE = 32
"""Files that the disk is asked for one by one; a release of one app changes fewer."""
_AT_A_TIME = 4
"""Files that are removed at the same time, where they are more than that."""


class Entry(Struct, frozen=True):
    """One file that changes: its path below the root (with ``/``), and the digests of what it was and will be.

    ``old`` is None where there was no file, ``new`` where there will be none.  ``file`` is the name of the new file in
    the journal's folder, empty where there is none.
    """

    path: str
    old: str | None
    new: str | None
    file: str = ""

    def to_dict(self) -> dict[str, str | None]:
        """Return the entry as it stands in the index."""
        return {"path": self.path, "old": self.old, "new": self.new, "file": self.file}


class Journal(Struct, frozen=True):
    """What a transaction does: its files, the folders it makes, and what its caller wants to know after a kill."""

    root: Path
    entries: tuple[Entry, ...] = ()
    folders: tuple[str, ...] = ()
    memo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the journal lies."""
        return self.root / JOURNAL

    @property
    def written(self) -> float:
        """When the journal's index was written, in seconds of the epoch."""
        return os.stat(self.folder / _INDEX).st_mtime

    def old_file(self, number: int) -> str:
        """Return where the copy of what entry ``number`` was is kept."""
        return f"{self.root}/{JOURNAL}/old-{number}"

    def new_file(self, number: int) -> str:
        """Return where the new content of entry ``number`` waits for its rename."""
        return f"{self.root}/{JOURNAL}/{self.entries[number].file}"

    def target(self, entry: Entry) -> str:
        """Return the file of ``entry``: text, since a fleet has too many of them for the comfort of a Path."""
        return f"{self.root}/{entry.path}"

    def current(self, entry: Entry) -> str | None:
        """Return the digest of what the file of ``entry`` holds now; None where there is no file."""
        target = self.target(entry)
        if not os.path.lexists(target):
            return None
        with open(target, "rb", buffering=0) as file:
            return digest(file.read())

    def save(self) -> None:
        """Write the index, which makes the journal valid: the disk has every file that it names before."""
        with open(self.folder / _NEW_INDEX, "w", encoding="utf-8") as file:
            file.writelines(self._index())
        make_durable(self.folder, [*sorted(self._own() & set(os.listdir(self.folder))), _NEW_INDEX])
        os.replace(self.folder / _NEW_INDEX, self.folder / _INDEX)
        make_durable(self.folder, ["."])

    def _index(self) -> Iterator[str]:
        """Yield the pieces of the index: a fleet's would not fit into memory beside all else."""
        # Only a write needs it, and a comparison with what is there does not.
        import json

        yield f'{{"memo": {json.dumps(dict(self.memo))},\n "folders": {json.dumps(list(self.folders))},\n "entries": ['
        for start in range(0, len(self.entries), _AT_ONCE):
            entries = self.entries[start : start + _AT_ONCE]
            lines = json.dumps([entry.to_dict() for entry in entries])
            yield f",\n {lines[1:-1]}" if start else f"\n {lines[1:-1]}"
        yield "]}\n"

    def do(self) -> None:
        """Put every new file in place, where none is yet."""
        self._put(enumerate(self.entries))

    def redo(self) -> None:
        """Put every new file in place; those that are there already are left."""
        self._put((number, entry) for number, entry in enumerate(self.entries) if self.current(entry) != entry.new)

    def _put(self, entries: Iterable[tuple[int, Entry]]) -> None:
        for folder in self.folders:
            with suppress(FileExistsError):
                os.mkdir(f"{self.root}/{folder}")
        for number, entry in entries:
            if entry.new is None:
                # Somebody may have been first.
                with suppress(FileNotFoundError):
                    os.unlink(self.target(entry))
            else:
                os.replace(self.new_file(number), self.target(entry))
        self._sync_folders()

    def undo(self) -> None:
        """Put every old file back; those that are there already are left."""
        for number, entry in reversed(list(enumerate(self.entries))):
            if self.current(entry) == entry.old:
                continue
            if entry.old is None:
                os.unlink(self.target(entry))
            else:
                os.replace(self.old_file(number), self.target(entry))
        for folder in reversed(self.folders):
            # Someone else may have put a file there meanwhile: then the folder is theirs too.
            with suppress(OSError):
                os.rmdir(f"{self.root}/{folder}")
        self._sync_folders()

    def remove(self) -> None:
        """Remove the journal's index, without which nothing is left to recover, and then its old and new files."""
        try:
            _unlink(self.folder, [_INDEX] if pending(self.root) else [])
            _unlink(self.folder, sorted(self._own() & set(os.listdir(self.folder))))
        except OSError:
            # What is left over holds no index, so it is no transaction, and the end of the run clears it away.
            if pending(self.root):
                raise

    def _own(self) -> set[str]:
        """Return the names of the files in the journal's folder that belong to this transaction."""
        return {f"old-{number}" for number in range(len(self.entries))} | {e.file for e in self.entries if e.file}

    def _sync_folders(self) -> None:
        folders = sorted({os.path.dirname(entry.path) for entry in self.entries})
        make_durable(self.root, [folder for folder in folders if os.path.isdir(f"{self.root}/{folder}")])


def pending(root: Path) -> bool:
    """Tell whether a transaction is running below ``root`` or was interrupted there."""
    return os.path.exists(root / JOURNAL / _INDEX)


def recover(root: Path, is_committed: Callable[[Journal], bool] | None = None) -> tuple[str, ...]:
    """Bring the files below ``root`` back to one state after a run that was killed; return a line about it.

    ``is_committed`` tells whether git has the new content already: then the new files are put in place, otherwise the
    old ones.  Returns nothing where there is nothing to do, or where the transaction belongs to a running process.
    Raises RollstepError, and changes nothing, where a file has been edited since.
    """
    root = root.resolve()
    if not os.path.isdir(root / JOURNAL):
        return ()
    lock = acquire(root)
    if lock < 0:
        return ()
    try:
        with reporting(JOURNAL):
            if not pending(root):
                return ()
            journal = _load(root)
            _check_unedited(journal)
            forward = is_committed is not None and is_committed(journal)
            if forward:
                journal.redo()
            else:
                journal.undo()
            journal.remove()
    finally:
        release(root, lock)
    files = f"{len(journal.entries)} file{'' if len(journal.entries) == 1 else 's'}"
    done = "its commit was made and its files are complete" if forward else f"{files} put back as before it"
    return (f"an earlier run was interrupted: {done}",)


def acquire(root: Path, patience: float = 0) -> int:
    """Make the journal's folder and return the descriptor that locks it, or -1 where another process holds it.

    Another process is waited for, ``patience`` seconds.  ``release``, or the end of the process, ends the lock.
    """
    folder = root / JOURNAL
    if os.path.islink(folder):
        # It may have come with the repository: what lies where it leads is nobody's to remove.
        raise RollstepError(
            [Finding(JOURNAL, 0, 0, "", "is a link, but rollstep needs a folder of this name", "remove it")]
        )
    end = time.monotonic() + patience
    with reporting(JOURNAL):
        while True:
            with suppress(FileExistsError):
                os.mkdir(folder)
            try:
                lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                # Removed between the two calls by a run that has just ended; without a root the mkdir has failed.
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.stat(folder / _LOCK), os.fstat(lock)):
                    return lock
            except BlockingIOError:
                os.close(lock)
                if time.monotonic() >= end:
                    return -1
                time.sleep(0.05)
                continue
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(lock)
                raise
            # Its last owner removed the file between our open and our lock: what we hold locks nobody out.
            os.close(lock)


def clear(root: Path) -> None:
    """Remove everything in the journal's folder but its lock, which has to be ours; there must be no index.

    Old files are the very files that are in place (links): nobody may write into one that a killed run has left.
    """
    _unlink(root / JOURNAL, sorted(set(os.listdir(root / JOURNAL)) - {_LOCK}))


def release(root: Path, lock: int) -> None:
    """Remove the journal's folder, unless it has an index, and end the lock.

    What cannot be removed, the next run removes.
    """
    try:
        with suppress(OSError):
            if not pending(root):
                clear(root)
                os.unlink(root / JOURNAL / _LOCK)
                os.rmdir(root / JOURNAL)
    finally:
        os.close(lock)


def store(path: Path | str, content: bytes, mode: int | None = None) -> None:
    """Write ``content`` to ``path``, whether the disk has it yet or not; ``mode`` None is what the umask gives."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if mode is not None:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def keep(path: str, copy: str, mode: int) -> None:
    """Keep the file ``path`` as ``copy`` as well: a new file is renamed over it, which leaves this one as it is."""
    try:
        os.link(path, copy)
    except OSError:
        # Not every file system has links, and not every file may be linked.
        with open(path, "rb", buffering=0) as file:
            store(copy, file.read(), mode)


def _unlink(folder: Path | str, names: Sequence[str]) -> None:
    """Remove files, many of them several at a time; raise OSError where one cannot be removed.

    Some file systems tell the disk of what gets free with each file, and wait for it.
    """
    left, errors = iter(names), list[OSError]()

    def unlink() -> None:
        try:
            # One iterator for all: each name is taken once.
            for name in left:
                os.unlink(f"{folder}/{name}")
        except OSError as error:
            errors.append(error)

    helpers = []
    if len(names) > _ONE_BY_ONE:
        # Only a fleet's write needs them.
        from threading import Thread

        helpers = [Thread(target=unlink) for _ in range(_AT_A_TIME - 1)]
    for helper in helpers:
        helper.start()
    try:
        unlink()
    finally:
        # There are some left where the user has interrupted this.
        for _ in left:
            pass
        for helper in helpers:
            helper.join()
    if errors:
        raise errors[0]


def make_durable(folder: Path, names: Sequence[str]) -> None:
    """Wait until the disk has the files and folders of these names below ``folder``, all on its file system.

    A disk takes many files in one go much faster than each by itself: where they are many, and the kernel can, it is
    asked once for the whole file system.  Raises OSError.
    """
    if len(names) > _ONE_BY_ONE and _sync_file_system(folder):
        return
    for name in names:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_file_system(folder: Path) -> bool:
    """Write out the file system of ``folder``; return whether this system can (syncfs(2), Linux)."""
    # Only a fleet's write needs it.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)
    return True


def _load(root: Path) -> Journal:
    import json

    path = root / JOURNAL / _INDEX
    try:
        index = json.loads(path.read_bytes())
        entries = tuple(Entry(**entry) for entry in index["entries"])
        folders = tuple(index["folders"])
        for place in (*(entry.path for entry in entries), *folders):
            _check_place(root, place)
        for entry in entries:
            if entry.file and not _NEW_FILE.fullmatch(entry.file):
                raise ValueError(f"{entry.file!r} is not the name of a new file")
        return Journal(root, entries, folders, index["memo"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the journal of an interrupted run cannot be read: {error}"
        hint = f"compare the files with git, then remove {JOURNAL}"
        raise RollstepError([Finding(f"{JOURNAL}/{_INDEX}", 0, 0, "", message, hint)]) from error


def _check_place(root: Path, place: str) -> None:
    """Raise ValueError for a path that no transaction has: the journal may have come with the repository."""
    parts = place.split("/")
    is_plain = not {"", ".", ".."} & set(parts) and ".git" not in place.lower().split("/") and parts[0] != JOURNAL
    if not is_plain or not f"{os.path.realpath(f'{root}/{os.path.dirname(place)}')}/".startswith(f"{root}/"):
        raise ValueError(f"{place!r} is not a path in the repository where rollstep writes")


def _check_unedited(journal: Journal) -> None:
    message = "has been edited since a run was interrupted"
    hint = f"the file as it was is in {JOURNAL}; remove that folder to keep yours"
    edited = [entry for entry in journal.entries if journal.current(entry) not in (entry.old, entry.new)]
    if edited:
        raise RollstepError(Finding(entry.path, 0, 0, "", message, hint) for entry in edited)
