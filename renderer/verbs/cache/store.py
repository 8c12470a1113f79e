"""The files of the cache: an entry for each key, in one folder of the user's cache.

Clones and worktrees share it, and any number of processes may read and write it.  An entry may be deleted or damaged at
any time, which costs only time.
"""

from __future__ import annotations

import os
import time

FOLDER = "rollstep/renders"
UNUSED_SECONDS = 30 * 24 * 3600
"""The age at which an unused entry is removed."""
DAY_SECONDS = 24 * 3600
_TRIMMED = "trimmed"


def folder() -> str | None:
    """Return the folder of the cache; None if the user has no cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{cache}/{FOLDER}" if os.path.isabs(cache) else None


def path_of(folder: str, key: str) -> str:
    """Return the path of the entry for a hexadecimal ``key``."""
    return f"{folder}/{key[:2]}/{key[2:]}"


def read(folder: str, key: str) -> bytes | None:
    """Return the content of an entry and record its use; None for a missing entry."""
    path = path_of(folder, key)
    try:
        with open(path, "rb", buffering=0) as file:
            used = os.fstat(file.fileno()).st_mtime
            content = file.read()
        if time.time() - used > DAY_SECONDS:
            os.utime(path)
    except OSError:
        return None
    return content


def write(folder: str, key: str, content: bytes) -> None:
    """Write an entry atomically; ignore an error of the file system."""
    path = path_of(folder, key)
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError:
        pass


def trim(folder: str) -> None:
    """Remove unused entries, once a day; raise OSError if the folder cannot be written."""
    now, stamp = time.time(), f"{folder}/{_TRIMMED}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    try:
        if now - os.stat(stamp).st_mtime < DAY_SECONDS:
            return
    except FileNotFoundError:
        pass
    with open(stamp, "wb"):
        os.utime(stamp)
    for parent in os.scandir(folder):
        if parent.is_dir(follow_symlinks=False):
            for entry in os.scandir(parent.path):
                if now - entry.stat(follow_symlinks=False).st_mtime > UNUSED_SECONDS:
                    os.unlink(entry.path)
