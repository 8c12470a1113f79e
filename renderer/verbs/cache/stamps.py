"""Stamps of files: whether a file has changed, without reading it.

Stamps are compared as in git's index: by size, inode and times.  A folder's stamp changes when an entry is added or
removed.  The module imports only what the interpreter has loaded, since ``checks`` uses it before anything else.
"""

from __future__ import annotations

import os
import sys
from marshal import dumps, loads

Stamp = tuple[int, int, int, int]
"""Size, inode, mtime and ctime; times are in nanoseconds."""

Group = tuple[str, str, bytes]
"""A name, paths separated by NUL, and their stamps in the format of marshal."""

_TICK = 50_000_000
_SECOND = 1_000_000_000


def group(name: str, paths: list[str]) -> Group:
    """Return the group of ``paths`` with their present stamps."""
    return (name, "\0".join(paths), _stamps(paths))


def is_unchanged(found: Group) -> bool:
    """Return whether every file of a group still has its stamp."""
    return _stamps(found[1].split("\0")) == found[2]


def is_settled(found: Group, started: int) -> bool:
    """Return whether a change of the group's files after ``started`` would change their stamps.

    A file system's clock moves in ticks of some milliseconds, or of two seconds if its times are whole seconds.
    """
    times = [time for stamp in loads(found[2]) if stamp is not None for time in stamp[2:]]
    return all(time + (_TICK if time % _SECOND else 2 * _SECOND) < started for time in times)


def file_clock(root: str) -> int:
    """Return the present time of the file system of the work tree at ``root``, in nanoseconds.

    Raises OSError without a writable git folder.
    """
    path = f"{_git_folder(root)}/rollstep-clock-{os.getpid()}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        return os.stat(path).st_mtime_ns
    finally:
        os.unlink(path)


def program() -> Group:
    """Return the group of rollstep's own code and templates, and of the folders of its libraries."""
    return group("program", sorted([*library_folders(), *own_files()]))


def library_folders() -> list[str]:
    """Return the folders of installed libraries."""
    return [path for path in sys.path if path.endswith("-packages")]


def own_files() -> list[str]:
    """Return the paths of all files and folders of rollstep's own code and templates."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    roots, templates = [package], os.path.join(os.path.dirname(package), "templates")
    if not os.path.isdir(os.path.join(package, "templates")) and os.path.isdir(templates):
        roots.append(templates)
    paths = []
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name != "__pycache__"]
            paths += [folder, *(os.path.join(folder, name) for name in files)]
    return paths


def _stamps(paths: list[str]) -> bytes:
    # Version 2 has no references, which would make the bytes depend on reference counts.
    return dumps([_stamp(path) for path in paths], 2)


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


def _git_folder(root: str) -> str:
    git = f"{root}/.git"
    if os.path.isdir(git):
        return git
    with open(git, encoding="utf-8", errors="surrogateescape") as file:
        return os.path.join(root, file.read().rstrip("\n").removeprefix("gitdir: "))
