"""Changes a set of files as a whole or not at all, even if the process is killed (``journal``)."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError, reporting, unwritable
from renderer.pipeline.load.marker import digest
from renderer.pipeline.write.journal import JOURNAL, Entry, Journal, link_or_copy, pending
from renderer.pipeline.write.new_files import NewFile, NewFiles, PlannedFile


class Transaction:
    """Planned changes to files below ``root``, which are then made together, in the order of planning.

    ``commit`` does everything.  A caller with a step of its own in between (a git commit) calls ``prepare``,
    ``apply``, and then ``finish`` or ``rollback``.
    """

    def __init__(self, new_files: NewFiles) -> None:
        """Take the new files of the run, which may have several transactions, one after another."""
        self.root = new_files.root
        self._new_files = new_files
        self.memo: dict[str, Any] = {}
        """JSON-ready notes for the recovery of this transaction after a kill; ``prepare`` saves them."""
        # Strings instead of Path, which is too slow for all files of a fleet.
        self._root = str(self.root)
        self._planned: dict[str, NewFile | None] = {}
        self._read: dict[str, str] = {}
        """The digest of each file of the user as the caller read it."""
        self._findings: list[Finding] = []
        self._modes: dict[str, int] = {}
        """The permissions of existing files that change."""
        self._folders: dict[str, str] = {self._root: self._root}
        """The real path of each folder."""
        self._journal: Journal | None = None

    def write(self, path: Path | str, text: str) -> Transaction:
        """Plan the content ``text``, in UTF-8, for the file at ``path`` (relative to the root, or absolute)."""
        return self._plan(path, self._new_files.add(text.encode()))

    def delete(self, path: Path | str) -> Transaction:
        """Plan to delete the file at ``path``; a missing file is no error."""
        return self._plan(path, None)

    def plan(
        self,
        files: Iterable[PlannedFile],
        unchanged: Collection[str] = (),
        folder: str = "",
        read: Mapping[str, str] | None = None,
    ) -> Transaction:
        """Plan ``files`` in their order; paths are relative to ``folder``, if given.

        Files at the paths ``unchanged`` have their text already.  ``read`` has the digests of files of the user as the
        caller read them: one that has changed since is not written, whatever else is planned.
        """
        for place, known in (read or {}).items():
            self._read[self._relative(os.path.join(self._root, place), follow=True)] = known
        for path, content in files:
            place = f"{folder}/{path}" if folder else path
            if not isinstance(content, str):
                self._plan(place, content)
            elif path in unchanged:
                self._plan(place, NewFile("", digest(content.encode())))
            else:
                self._plan(place, self._new_files.add(content.encode()))
        return self

    def include(self, path: Path | str) -> Transaction:
        """Plan the present state of the file at ``path``, even missing, so that a commit includes the file."""
        with reporting(str(path)):
            content = _content(os.path.join(self._root, path))
            return self._plan(path, None if content is None else NewFile("", digest(content)))

    @property
    def contents(self) -> Mapping[str, bytes | None]:
        """The planned content by path below the root, sorted; None for a deleted file.

        Includes files that have their content already.
        """
        planned = sorted(self._planned.items())
        return {path: None if new is None else self._new_files.read(path, new) for path, new in planned}

    @property
    def paths(self) -> Mapping[str, bool]:
        """True if the file will exist, by planned path below the root, sorted."""
        return {path: new is not None for path, new in sorted(self._planned.items())}

    def check(self) -> tuple[Entry, ...]:
        """Return the entries that would change, in the order of planning; write nothing.

        Raises RollstepError with every path that must not be written: outside the root, inside ``.git``, read-only, or
        not a regular file.
        """
        findings = [*self._findings, *self._within_files()]
        entries = []
        folders: dict[str, tuple[bool, list[Finding]]] = {}
        for path, new in self._planned.items():
            folder, target = path.rpartition("/")[0], f"{self._root}/{path}"
            if folder not in folders:
                is_there = os.path.lexists(f"{self._root}/{folder}")
                folders[folder] = is_there, list(_folder_refusals(self.root, folder, path))
            is_there, of_folder = folders[folder]
            status = None
            if is_there:
                with suppress(OSError):
                    status = os.lstat(target)
            refused = [*_refusals(target, path, status), *of_folder]
            findings += refused
            if refused:
                continue
            try:
                old = _content(target, status) if is_there else None
            except OSError as error:
                raise unwritable(error, path) from error
            before, after = old if old is None else digest(old), new if new is None else new.digest
            if before != after:
                if self._read.get(path, before) != before:
                    findings.append(_changed_meanwhile(path))
                if new is not None and not new.name and not self._new_files.in_memory:
                    findings.append(_changed_meanwhile(path))
                entries.append(Entry(path, before, after, new.name if new else ""))
                if status is not None:
                    self._modes[path] = stat.S_IMODE(status.st_mode)
        if findings:
            raise RollstepError(sorted(set(findings)))
        return tuple(entries)

    def _within_files(self) -> Iterator[Finding]:
        """Yield the planned files that are folders of others."""
        written = {path for path, new in self._planned.items() if new is not None}
        for path in sorted(written):
            above = path.rpartition("/")[0]
            while above:
                if above in written:
                    message = f"would be a file, and a folder for {path}"
                    yield Finding(above, 0, 0, "", message, "choose another `output` in rollstep.yaml")
                above = above.rpartition("/")[0]

    def commit(self) -> tuple[Entry, ...]:
        """Change the files and return the changed entries; raise RollstepError without any change."""
        self.prepare()
        self.apply()
        entries = self._prepared().entries
        try:
            self._discard()
        except BaseException:
            # Without the index nothing can be undone, and all files are new.
            if pending(self.root):
                self.rollback()
            raise
        return entries

    def prepare(self) -> tuple[Entry, ...]:
        """Write the journal and return the entries that will change; no planned file changes yet.

        Raises RollstepError if a path is refused, the disk is full, another process changes files, or an interrupted
        run has left its journal (see ``recover``).
        """
        entries = self.check()
        journal = Journal(self.root, entries, tuple(_missing_folders(self.root, entries)), self.memo)
        if not entries and not self.memo:
            self._journal = journal
            return entries
        self._new_files.open()
        self._journal = journal
        try:
            with reporting(JOURNAL):
                for number, entry in enumerate(entries):
                    self._back_up(journal, number, entry)
                journal.save()
        except BaseException:
            with suppress(RollstepError):
                self._discard()
            self._journal = None
            raise
        return entries

    def apply(self) -> None:
        """Rename the new files into place; roll back before raising any error."""
        try:
            with reporting(JOURNAL):
                self._prepared().do(self._read)
        except BaseException:
            self.rollback()
            raise

    def finish(self) -> tuple[Entry, ...]:
        """Remove the journal and return the changed entries.

        Raises RollstepError if the journal cannot be removed; the recovery of the next run removes it.
        """
        entries = self._prepared().entries
        self._discard()
        return entries

    def rollback(self) -> None:
        """Put every old file back, whatever its present state, except what the user has edited since.

        Raises RollstepError if that fails; then the journal stays, and the recovery of the next run tries again.
        """
        try:
            self._prepared().undo(self._read)
            self._prepared().remove()
        except OSError as error:
            message = f"could not be put back: {error.strerror or error}"
            hint = f"the old files are in {JOURNAL}, and the next run tries again"
            raise RollstepError.at(str(error.filename or JOURNAL), message, hint) from error
        finally:
            self._journal = None

    def _plan(self, path: Path | str, new: NewFile | None) -> Transaction:
        try:
            relative = self._relative(os.path.join(self._root, path), follow=new is not None)
        except (ValueError, OSError, RuntimeError):
            message = f"leads outside {self.root}, where rollstep writes nothing"
            self._findings.append(Finding(str(path), 0, 0, "", message, "make it a file or folder of the repository"))
            return self
        before = self._planned.get(relative, new)
        if (before and before.digest) != (new and new.digest):
            self._findings.append(Finding(relative, 0, 0, "", "two different contents are planned for this file"))
        self._planned[relative] = new
        return self

    def _relative(self, target: str, *, follow: bool) -> str:
        """Return the path of ``target`` below the root without links; raise ValueError for one outside.

        ``follow`` resolves a link as the last part: a write follows the link, a deletion deletes it.
        """
        parent, name = os.path.split(target)
        if name in ("", ".", "..") or (follow and os.path.islink(target)):
            return Path(target).resolve().relative_to(self.root).as_posix()
        real = f"{self._real(parent)}/{name}"
        if not real.startswith(f"{self._root}/"):
            raise ValueError(real)
        return real[len(self._root) + 1 :]

    def _real(self, folder: str) -> str:
        """Return a folder's path without links; raise RuntimeError for endless links."""
        if folder not in self._folders:
            above, name = os.path.split(folder)
            is_plain = name not in ("", ".", "..") and not os.path.islink(folder)
            self._folders[folder] = f"{self._real(above)}/{name}" if is_plain else str(Path(folder).resolve())
        return self._folders[folder]

    def _back_up(self, journal: Journal, number: int, entry: Entry) -> None:
        """Copy the old file of an entry to the journal, and give the new file its permissions."""
        if entry.old is None:
            return
        mode = self._modes.get(entry.path)
        if mode is None:
            # The file was created after ``check``.
            mode = stat.S_IMODE(os.stat(journal.target(entry)).st_mode)
        link_or_copy(journal.target(entry), journal.old_file(number), mode)
        if entry.new is not None:
            os.chmod(journal.new_file(number), mode)

    def _prepared(self) -> Journal:
        if self._journal is None:
            raise ValueError("the transaction is not prepared")
        return self._journal

    def _discard(self) -> None:
        with reporting(JOURNAL):
            self._prepared().remove()
        self._journal = None


def _changed_meanwhile(path: str) -> Finding:
    return Finding(path, 0, 0, "", "was changed while the command ran, and stays as it is", "run the command again")


def _content(path: str, status: os.stat_result | None = None) -> bytes | None:
    """Return a file's content; None for a missing file, but not for a dangling link.

    With the ``status`` of a regular file, the read takes fewer system calls.
    """
    try:
        if status is not None:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                content = os.read(descriptor, status.st_size + 1)
                if len(content) == status.st_size:
                    return content
            finally:
                os.close(descriptor)
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        if os.path.lexists(path):
            raise
        return None


def _refusals(target: str, path: str, status: os.stat_result | None) -> Iterator[Finding]:
    """Yield the reasons not to write ``path``; ``status`` is that of its file, None for a missing file."""
    parts = path.lower().split("/")
    if ".git" in parts or parts[0] == JOURNAL:
        yield Finding(path, 0, 0, "", "is in a folder of git or of rollstep", "choose another folder")
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        yield Finding(path, 0, 0, "", "is a folder, but a file is needed here", "move it away")
    elif not stat.S_ISREG(status.st_mode):
        yield Finding(path, 0, 0, "", "is not a regular file", "move it away")
    # A rename would replace a read-only file, and os.access allows root everything: respect the mode.
    elif not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        yield Finding(path, 0, 0, "", "is read-only", f"chmod u+w {path}")


def _folder_refusals(root: Path, folder: str, path: str) -> Iterator[Finding]:
    """Yield the reasons not to write to ``folder``; ``path`` is the first file to write there."""
    parent = os.path.join(root, folder)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent):
        yield Finding(os.path.relpath(parent, root), 0, 0, "", "is a file, but a folder is needed here", "move it away")
    elif not os.access(parent, os.W_OK | os.X_OK):
        yield Finding(path, 0, 0, "", "is in a read-only folder", f"chmod u+wx {parent}")


def _missing_folders(root: Path, entries: Sequence[Entry]) -> list[str]:
    missing: set[str] = set()
    for folder in {os.path.dirname(entry.path) for entry in entries if entry.new is not None}:
        while folder and folder not in missing and not os.path.exists(f"{root}/{folder}"):
            missing.add(folder)
            folder = os.path.dirname(folder)
    return sorted(missing)
