"""The journal of a transaction: the old and the new files, so that a killed run can be undone or completed.

POSIX renames one file atomically, never several.  So every new file is written and synced to ``JOURNAL`` under the
root, beside a copy of every old file.  Only then the new files are renamed into place.  After a kill ``recover``
restores the old files, or completes the change if git has the new ones already.  New files may exist before the
journal has an index (``new_files``).

The journal's folder is ignored by git and locked by its process, so ``recover`` never touches a running transaction.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from renderer.errors import Finding, RollstepError, reporting
from renderer.git.hook import is_in_own_commit
from renderer.pipeline.load.files import read_own
from renderer.pipeline.load.marker import digest
from renderer.pipeline.load.workspace import journal_root

JOURNAL = ".rollstep-journal"
"""The folder that exists while files change, relative to the transaction's root."""

_INDEX = "journal.json"
_NEW_INDEX = "journal.tmp"
_LOCK = "lock"
_NEW_FILE = re.compile(r"new-[0-9]+-[0-9]+")
_CHUNK = 1000
"""Entries of the index that are serialized at once."""
_MOST_ROUNDS = 1000
"""The attempts to create a lock in a folder that goes away each time."""
_MOST_BYTES = 1 << 29
"""The most bytes of an index; that of 10,000 apps has some 50 MB."""
_FEW = 32
"""Up to this many files are synced one by one; a release of one app changes fewer."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A changed file: its path below the root (with ``/``), and the digests of its old and its new content.

    ``old`` is None for a file that is created, ``new`` for one that is deleted.  ``file`` is the name of the new file
    in the journal's folder, empty without one.
    """

    path: str
    old: str | None
    new: str | None
    file: str = ""

    def to_dict(self) -> dict[str, str | None]:
        """Return the entry as in the index."""
        return {"path": self.path, "old": self.old, "new": self.new, "file": self.file}


class Journal(Struct, frozen=True):
    """The files that a transaction changes, the folders that it creates, and its caller's notes for a recovery."""

    root: Path
    entries: tuple[Entry, ...] = ()
    folders: tuple[str, ...] = ()
    memo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The journal's folder."""
        return self.root / JOURNAL

    @property
    def written(self) -> float:
        """The time at which the index was written, in seconds since the epoch."""
        return os.stat(self.folder / _INDEX).st_mtime

    def old_file(self, number: int) -> str:
        """Return the path of the old content of entry ``number``."""
        return f"{self.root}/{JOURNAL}/old-{number}"

    def new_file(self, number: int) -> str:
        """Return the path of the new content of entry ``number`` until it is renamed."""
        return f"{self.root}/{JOURNAL}/{self.entries[number].file}"

    def target(self, entry: Entry) -> str:
        """Return the path of the changed file; a string, since a Path is too slow for all files of a fleet."""
        return f"{self.root}/{entry.path}"

    def current(self, entry: Entry) -> str | None:
        """Return the digest of the file's present content; None for a missing file."""
        target = self.target(entry)
        if not os.path.lexists(target):
            return None
        try:
            content = read_own(target, entry.path, _MOST_BYTES)
        except RollstepError:
            # A link or a special file has come in its place.
            return ""
        return None if content is None else digest(content)

    def save(self) -> None:
        """Write the index, which makes the journal valid; all files in it are on disk before."""
        with open(self.folder / _NEW_INDEX, "w", encoding="utf-8", opener=_new_file) as file:
            file.writelines(self._index())
        make_durable(self.folder, [*self._files(), _NEW_INDEX])
        os.replace(self.folder / _NEW_INDEX, self.folder / _INDEX)
        make_durable(self.folder, ["."])

    def _index(self) -> Iterator[str]:
        """Yield the index in pieces, since that of a fleet takes much memory."""
        # Only a write needs it.
        import json

        yield f'{{"memo": {json.dumps(dict(self.memo))},\n "folders": {json.dumps(list(self.folders))},\n "entries": ['
        for start in range(0, len(self.entries), _CHUNK):
            entries = self.entries[start : start + _CHUNK]
            lines = json.dumps([entry.to_dict() for entry in entries])
            yield f",\n {lines[1:-1]}" if start else f"\n {lines[1:-1]}"
        yield "]}\n"

    def do(self, users: Collection[str] = ()) -> None:
        """Put every new file in place; raise RollstepError if one of the ``users`` has changed since the journal."""
        self._put(enumerate(self.entries), users)

    def redo(self) -> None:
        """Put every new file in place that is not there yet."""
        self._put((number, entry) for number, entry in enumerate(self.entries) if self.current(entry) != entry.new)

    def _put(self, entries: Iterable[tuple[int, Entry]], users: Collection[str] = ()) -> None:
        for folder in self.folders:
            with suppress(FileExistsError):
                os.mkdir(f"{self.root}/{folder}")
        for number, entry in entries:
            if entry.path in users and self.current(entry) != entry.old:
                message = "was changed while the command ran, and stays as it is"
                raise RollstepError.at(entry.path, message, "run the command again")
            if entry.new is None:
                # Another process may have deleted the file.
                with suppress(FileNotFoundError):
                    os.unlink(self.target(entry))
            else:
                os.replace(self.new_file(number), self.target(entry))
        self._sync_folders()

    def undo(self, users: Collection[str] = ()) -> None:
        """Put every old file back that is not there yet, except one of the ``users`` that was edited since."""
        for number, entry in reversed(list(enumerate(self.entries))):
            current = self.current(entry)
            if current == entry.old or (entry.path in users and current != entry.new):
                continue
            if entry.old is None:
                os.unlink(self.target(entry))
            else:
                os.replace(self.old_file(number), self.target(entry))
        for folder in reversed(self.folders):
            # A folder that has another owner's file by now stays.
            with suppress(OSError):
                os.rmdir(f"{self.root}/{folder}")
        self._sync_folders()

    def remove(self) -> None:
        """Remove the index, which ends the transaction, and then the old and new files."""
        try:
            _unlink(self.folder, [_INDEX] if pending(self.root) else [])
            _unlink(self.folder, self._files())
        except OSError:
            # Without an index the rest is no transaction; ``release`` removes it.
            if pending(self.root):
                raise

    def _files(self) -> list[str]:
        """Return the names of this transaction's files in the journal's folder, sorted."""
        new = {entry.file for entry in self.entries if entry.file}

        def is_own(name: str) -> bool:
            number = name.removeprefix("old-")
            return name in new or (number != name and number.isdecimal() and int(number) < len(self.entries))

        with os.scandir(self.folder) as found:
            return sorted(entry.name for entry in found if is_own(entry.name))

    def _sync_folders(self) -> None:
        folders = sorted({os.path.dirname(entry.path) for entry in self.entries})
        make_durable(self.root, [folder for folder in folders if os.path.isdir(f"{self.root}/{folder}")])


def pending(root: Path) -> bool:
    """Return whether a transaction is running below ``root`` or was interrupted there."""
    return os.path.lexists(root / JOURNAL / _INDEX)


def note_interrupted(root: Path, note: Callable[[str], object]) -> None:
    """Note a run that was interrupted or is under way, whose files may be half written.

    A hook of that run's commit sees them whole.
    """
    top = journal_root(root)
    if pending(top) and not is_in_own_commit(top):
        message = "a run was interrupted or is under way: the next verb that writes completes or undoes it"
        note(f"note: {JOURNAL}: {message}")


def committed_paths(root: Path) -> tuple[str, ...] | None:
    """Return the paths of the commit whose hook has started this process, below git's work tree at ``root``.

    None if that is no commit of rollstep's.  Raises RollstepError for a journal that cannot be read.
    """
    if not is_in_own_commit(root) or not pending(root):
        return None
    return tuple(_load(root).memo.get("paths", ()))


def recover(root: Path, is_committed: Callable[[Journal], bool] | None = None) -> tuple[str, ...]:
    """Undo or complete the transaction of a run that was killed below ``root``; return one line about it.

    ``is_committed`` returns whether git has the new content: then the transaction is completed, else undone.  Returns
    nothing without an interrupted transaction, and for that of a running process.  Raises RollstepError, and changes
    nothing, if a file has been edited since.
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
    """Create and lock the journal's folder; return the lock's descriptor, or -1 if another process has the lock.

    Waits up to ``patience`` seconds for the lock.  ``release``, or the end of the process, ends the lock.  Raises
    RollstepError if the folder cannot be created.
    """
    folder = root / JOURNAL
    if os.path.islink(folder):
        # The link may be part of the repository: never remove files where it leads.
        raise RollstepError.at(JOURNAL, "is a link, but rollstep needs a folder of this name", "remove it")
    end, rounds = time.monotonic() + patience, 0
    with reporting(JOURNAL):
        while True:
            with suppress(FileExistsError):
                os.mkdir(folder)
            try:
                lock = _open_lock(folder)
            except FileNotFoundError:
                # A run that has just ended removed the folder between the two calls.
                rounds += 1
                if rounds > _MOST_ROUNDS:
                    raise
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.lstat(folder / _LOCK), os.fstat(lock)):
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
            # Its last owner removed the file between our open and our lock, so this lock protects nothing.
            os.close(lock)


def _open_lock(folder: Path) -> int:
    """Open the lock, which may be part of the repository: follow no link, and take a regular file alone."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        os.close(lock)
        raise RollstepError.at(f"{JOURNAL}/{_LOCK}", "is not a regular file", f"remove {JOURNAL}")
    return lock


def clear(root: Path) -> None:
    """Remove everything but the lock from the journal's folder; the caller has the lock, and there is no index.

    Old files may be hard links to the files in place: remove them, never write to them.
    """
    _unlink(root / JOURNAL, sorted(set(os.listdir(root / JOURNAL)) - {_LOCK}))


def release(root: Path, lock: int) -> None:
    """Remove the journal's folder, unless it has an index, and end the lock.

    The next run removes files that cannot be removed now.
    """
    try:
        with suppress(OSError):
            if not pending(root):
                clear(root)
                os.unlink(root / JOURNAL / _LOCK)
                os.rmdir(root / JOURNAL)
    finally:
        os.close(lock)


def _new_file(path: str, flags: int) -> int:
    """Open a file of the journal to write it: a link at its place may be part of the repository."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def write_file(path: Path | str, content: bytes, mode: int | None = None) -> None:
    """Write ``content`` to ``path`` without a sync; ``mode`` None is that of the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if mode is not None:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def link_or_copy(path: str, copy: str, mode: int) -> None:
    """Make ``copy`` a hard link to the file, else a copy; a rename over ``path`` does not change it."""
    try:
        os.link(path, copy)
    except OSError:
        # Some file systems have no hard links, and some files may not be linked.
        with open(path, "rb", buffering=0) as file:
            write_file(copy, file.read(), mode)


def make_durable(folder: Path, names: Sequence[str]) -> None:
    """Sync the files and folders of these names below ``folder`` to the disk; all are on its file system.

    For many names it syncs the whole file system at once if the kernel can, which is much faster.  Raises OSError.
    """
    if len(names) > _FEW and _sync_file_system(folder):
        return
    for name in names:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unlink(folder: Path | str, names: Iterable[str]) -> None:
    for name in names:
        os.unlink(f"{folder}/{name}")


def _sync_file_system(folder: Path) -> bool:
    """Sync the file system of ``folder``; return False if the system cannot (syncfs(2), Linux)."""
    # Only the write of a fleet needs it.
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
        index = json.loads(read_own(str(path), f"{JOURNAL}/{_INDEX}", _MOST_BYTES) or b"")
        entries = msgspec.convert(index["entries"], tuple[Entry, ...])
        folders = msgspec.convert(index["folders"], tuple[str, ...])
        memo = msgspec.convert(index["memo"], dict[str, str | list[str] | None])
        for place in (*(entry.path for entry in entries), *folders):
            _check_place(root, place)
        for entry in entries:
            if entry.file and not _NEW_FILE.fullmatch(entry.file):
                raise ValueError(f"{entry.file!r} is not the name of a new file")
        return Journal(root, entries, folders, memo)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, msgspec.ValidationError) as error:
        message = f"the journal of an interrupted run cannot be read: {error}"
        hint = f"compare the files with git, then remove {JOURNAL}"
        raise RollstepError.at(f"{JOURNAL}/{_INDEX}", message, hint) from error


def _check_place(root: Path, place: str) -> None:
    """Raise ValueError for a path that no transaction has: the journal may be part of the repository."""
    parts = place.split("/")
    is_plain = not {"", ".", ".."} & set(parts) and ".git" not in place.lower().split("/") and parts[0] != JOURNAL
    if not is_plain or not f"{os.path.realpath(f'{root}/{os.path.dirname(place)}')}/".startswith(f"{root}/"):
        raise ValueError(f"{place!r} is not a path in the repository where rollstep writes")


def _check_unedited(journal: Journal) -> None:
    message = "has been edited since a run was interrupted"
    hint = f"the old file is in {JOURNAL}; remove that folder to keep yours"
    edited = [entry for entry in journal.entries if journal.current(entry) not in (entry.old, entry.new)]
    if edited:
        raise RollstepError(Finding(entry.path, 0, 0, "", message, hint) for entry in edited)
