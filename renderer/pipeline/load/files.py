"""The files that an app is loaded from: those of a folder on disk here, those of a commit in ``verbs.verify.tree``.

Paths are absolute and begin with ``root``, which need not exist on disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from renderer.errors import RollstepError
from renderer.kubernetes import MAX_BYTES

_GIT = ".git"


class Entry(Protocol):
    """A file or folder in a folder, as ``os.DirEntry``."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    @property
    def path(self) -> str:
        """The whole path."""

    def is_dir(self) -> bool:
        """Return whether it is a folder, or a link to one."""

    def is_symlink(self) -> bool:
        """Return whether it is a symbolic link."""


class Link(Struct, frozen=True):
    """A symbolic link in a folder; one that leads to itself is no folder, where ``os.DirEntry`` raises OSError."""

    name: str
    path: str

    def is_dir(self) -> bool:
        """As ``Entry``."""
        return os.path.isdir(self.path)

    def is_symlink(self) -> bool:
        """As ``Entry``."""
        return True


class Files(Protocol):
    """The files below ``root``."""

    @property
    def root(self) -> Path:
        """The folder that all paths begin with."""

    def entries(self, folder: str) -> Sequence[Entry]:
        """Return what a folder holds, in any order; empty for a missing folder."""

    def real(self, path: str) -> str:
        """Return a path without symbolic links; outside of ``root`` for a link that leads out."""

    def exists(self, path: str) -> bool:
        """Return whether there is a file, a folder or a link of any kind."""

    def is_link(self, path: str) -> bool:
        """Return whether a path is a symbolic link."""

    def is_file(self, path: str) -> bool:
        """Return whether a path, or what a link at it leads to, is a regular file."""

    def is_dir(self, path: str) -> bool:
        """Return whether a path, or what a link at it leads to, is a folder."""

    def is_tracked(self, real: str) -> bool:
        """Return whether the branch has a file, or would have it after ``git add``: not in ``.git``, not ignored."""

    def read_text(self, path: str, shown: str) -> str:
        """Return the text of a file, which ``shown`` names in findings; raise RollstepError as ``read_text`` does."""

    def read_own(self, path: str, shown: str) -> bytes | None:
        """Return the content of a file that rollstep wrote, None for a missing one.

        Raises RollstepError for a link, a special file and a file of more than ``MAX_BYTES``.
        """


class Folder:
    """The files of a folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self, folder: str) -> Sequence[Entry]:
        """As ``Files``."""
        try:
            with os.scandir(folder) as entries:
                return [Link(entry.name, entry.path) if entry.is_symlink() else entry for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            # What cannot be read is not missing.
            raise RollstepError.at(folder, f"cannot be read: {error.strerror or error}") from error

    def real(self, path: str) -> str:
        """As ``Files``."""
        return os.path.realpath(path)

    def exists(self, path: str) -> bool:
        """As ``Files``."""
        return os.path.lexists(path)

    def is_link(self, path: str) -> bool:
        """As ``Files``."""
        return os.path.islink(path)

    def is_file(self, path: str) -> bool:
        """As ``Files``."""
        return os.path.isfile(path)

    def is_dir(self, path: str) -> bool:
        """As ``Files``."""
        return os.path.isdir(path)

    def is_tracked(self, real: str) -> bool:
        """As ``Files``; git decides, and without a repository there is nothing that it ignores."""
        from renderer.git.process import Running
        from renderer.git.repository import literal

        root = os.path.realpath(self.root)
        if _GIT in os.path.relpath(real, root).lower().split(os.sep):
            return False
        top = next((folder for folder in _parents(root) if os.path.exists(f"{folder}/{_GIT}")), None)
        if top is None:
            return True
        listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
        with Running([*listing, literal(os.path.relpath(real, top))], top, {}, check=False) as running:
            return bool(running.output().stdout)

    def read_text(self, path: str, shown: str) -> str:
        """As ``Files``."""
        from renderer.kubernetes.yaml.reader import read_text

        return read_text(Path(path), shown)

    def read_own(self, path: str, shown: str) -> bytes | None:
        """As ``Files``."""
        return read_own(path, shown)


def read_own(path: str, shown: str = "", most: int = MAX_BYTES) -> bytes | None:
    """Return the content of a regular file, None for a missing one; follow no link and wait for no pipe.

    Raises RollstepError for anything else, and for more than ``most`` bytes.
    """
    shown = shown or path
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if os.path.islink(path):
            raise RollstepError.at(shown, "is a symbolic link", "rollstep writes this file itself") from error
        raise RollstepError.at(shown, f"cannot be read: {error.strerror or error}") from error
    with open(number, "rb", buffering=0) as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise RollstepError.at(shown, "is not a regular file", "rollstep writes this file itself")
        if status.st_size > most:
            raise RollstepError.at(shown, f"has {status.st_size:,} bytes, and {most:,} are the most")
        try:
            return file.readall()
        except OSError as error:
            raise RollstepError.at(shown, f"cannot be read: {error.strerror or error}") from error


def _parents(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        folder = parent
        yield folder
