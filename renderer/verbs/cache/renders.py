"""What was rendered of the same content before, by a digest of all that it is made from (shell).

The key of an app's render covers rollstep's own code and its libraries, the app's settings, its templates, and the
content of every file in its folder: manifests, ``status.yaml`` and what is rendered.  An entry is a file in the user's
cache, so that clones and worktrees share them.  Any of them may be deleted or damaged at any time, and any number of
processes may read and write them: nothing but time depends on it.  An app whose files are not all known has no key and
is always rendered.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.pipeline.write.journal import store
from renderer.verbs.cache import answers as remembered

FOLDER = "renders"
"""The folder of the entries in the user's cache."""
FORMAT = 1
UNUSED_SECONDS = 30 * 24 * 3600
"""How long an entry that nobody asks for is kept."""
DAY_SECONDS = 24 * 3600
MOST_BYTES = 16_000_000
"""An app whose files are larger is always rendered: it has something else than manifests in its folder."""

TAKES_IN = re.compile(rb"\b(include|import|extends)\b")
"""What a template has that takes in another file, which may lie anywhere in the repository."""
_TRIMMED = "trimmed"


class KeptRender(Struct, frozen=True):
    """What is kept of a render: the files by name, and the text of the status, cut where the time of the run stands."""

    files: Mapping[str, str]
    status: tuple[str, ...]

    def status_text(self, time: str) -> str:
        """Return the text of the status for a run at ``time``."""
        return time.join(self.status)


class RenderCache:
    """The renders that are kept in one folder, for runs that render ``step`` (None: the current one)."""

    def __init__(self, folder: str, step: int | None) -> None:
        self._folder = folder
        self._step = step
        self._real: dict[str, str] = {}

    @classmethod
    def open(cls, step: int | None) -> RenderCache | None:
        """Return the user's cache, and let go of what nobody has asked for; None where there can be none."""
        folder = remembered.user_folder(FOLDER)
        if folder is None:
            return None
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _trim(folder, time.time())
        except OSError:
            return None
        return cls(folder, step)

    def key(self, home: Home) -> str | None:
        """Return the digest of all that an app's render is made from; None where that is not all known."""
        templates = home.settings.templates
        folders = [home.ref.folder, *([templates] if templates else [])]
        if home.settings.source.argv is not None or not all(map(self._is_real, folders)):
            return None
        try:
            files = dict(_files(home.ref.folder))
            # Read each time: they may change while apps are rendered, and a worker outlives a run.
            layouts = sorted(_files(templates, are_templates=True)) if templates else []
        except (OSError, UnknownError):
            return None
        digest = sha256(_program())
        digest.update(repr(layouts).encode())
        digest.update(repr((FORMAT, home.place, self._step, home.settings)).replace(f"'{home.root}/", "'").encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
        return digest.hexdigest()

    def has(self, home: Home) -> bool:
        """Tell whether there is something kept for an app."""
        key = self.key(home)
        return key is not None and os.path.exists(self._path(key))

    def find(self, key: str) -> KeptRender | None:
        """Return what is kept for ``key``; None where that is nothing, or damaged."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0) as file:
                used = os.fstat(file.fileno()).st_mtime
                content = file.read()
            kept = _read(content, key)
            if kept is not None and time.time() - used > DAY_SECONDS:
                os.utime(path)
        except OSError:
            return None
        return kept

    def keep(self, key: str, files: Mapping[str, str], status_text: str, moment: str) -> None:
        """Keep a render of the time ``moment``, which is empty where none counts; no error keeps a run from its end.

        The next run puts its own time in the place of ``moment``, in the status alone: where the manifests have it too
        it may be somebody else's as well, and nothing is kept.
        """
        if moment and any(moment in text for text in files.values()):
            return
        status = status_text.split(moment) if moment else [status_text]
        content = zlib.compress(json.dumps([key, dict(files), status]).encode(), 1)
        path = self._path(key)
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            store(temporary, content, 0o600)
            os.replace(temporary, path)
        except OSError:
            pass

    def _is_real(self, folder: Path) -> bool:
        """Tell whether no link leads to a folder: where one does, the repository may end."""
        parent = os.path.dirname(folder)
        if parent not in self._real:
            self._real[parent] = os.path.realpath(parent)
        return self._real[parent] == parent and not os.path.islink(folder)

    def _path(self, key: str) -> str:
        return f"{self._folder}/{key[:2]}/{key[2:]}"


class UnknownError(Exception):
    """What an app is made from cannot be told from its folder."""


def _read(content: bytes, key: str) -> KeptRender | None:
    try:
        found, files, status = json.loads(zlib.decompress(content))
    except (zlib.error, ValueError, TypeError, RecursionError):
        return None
    is_whole = (
        found == key
        and isinstance(files, dict)
        and isinstance(status, list)
        and all(isinstance(text, str) for text in (*files.values(), *status))
    )
    return KeptRender(files, tuple(status)) if is_whole else None


def _files(folder: Path, *, are_templates: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield the files below ``folder`` with their content; raise UnknownError for what rests on something else.

    Templates that lay out what is rendered take in others of their own folder alone.
    """
    start, left = len(str(folder)) + 1, MOST_BYTES
    for entry in walk(folder):
        if entry.is_dir(follow_symlinks=False):
            continue
        with open(entry.path, "rb", buffering=0) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0 or (entry.name.endswith(".j2") and not are_templates and TAKES_IN.search(content)):
            raise UnknownError
        yield entry.path[start:], content


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all files and folders below ``folder``; raise UnknownError where there is a link, or anything else."""
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise UnknownError
                yield entry


@cache
def _program() -> bytes:
    """Return the digest of the program: its own files, the names and versions of its libraries, and Python's."""
    digest = sha256(repr(sys.version_info[:3]).encode())
    for folder in remembered.library_folders():
        digest.update(repr(sorted(name for name in os.listdir(folder) if name.endswith(".dist-info"))).encode())
    for path in sorted(remembered.own_files()):
        digest.update(path.rpartition("/")[2].encode())
        if os.path.isfile(path):
            with open(path, "rb", buffering=0) as file:
                digest.update(sha256(file.read()).digest())
    return digest.digest()


def _trim(folder: str, now: float) -> None:
    """Remove entries that nobody has asked for of late; look for them once a day."""
    stamp = f"{folder}/{_TRIMMED}"
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
