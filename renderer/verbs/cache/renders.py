"""Rendered apps by content: an app that was rendered of the same content before is not rendered again.

The key of an app is a digest of all that it is rendered from: rollstep's own code and its libraries, the app's
settings, its templates, and the content of every file in its folder (manifests, ``status.yaml`` and what is rendered).
An app whose files are not all known has no key and is always rendered.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.verbs.cache import stamps, store

FORMAT = 1
MOST_BYTES = 16_000_000
"""An app whose files are larger is always rendered: its folder holds something else than manifests."""

INCLUDES = re.compile(rb"\b(include|import|extends)\b")
"""The statements of a template that take in another file, which may lie anywhere in the repository."""


class KeptRender(Struct, frozen=True):
    """An entry: the rendered files by name, and the text of the status, cut where the time of the run stands."""

    files: Mapping[str, str]
    status: tuple[str, ...]

    def status_text(self, time: str) -> str:
        """Return the text of the status for a run at ``time``."""
        return time.join(self.status)


class RenderCache:
    """The renders in one folder, for runs that render ``step`` (None: the current one)."""

    def __init__(self, folder: str, step: int | None) -> None:
        self._folder = folder
        self._step = step
        self._real: dict[str, str] = {}

    @classmethod
    def open(cls, step: int | None) -> RenderCache | None:
        """Return the user's cache and remove its unused entries; None where it cannot be written."""
        folder = store.folder()
        if folder is None:
            return None
        try:
            store.trim(folder)
        except OSError:
            return None
        return cls(folder, step)

    def key(self, home: Home) -> str | None:
        """Return the digest of all that an app is rendered from; None where that is not all known."""
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
        digest.update(repr((FORMAT, home.path, self._step, home.settings)).replace(f"'{home.root}/", "'").encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
        return digest.hexdigest()

    def has(self, home: Home) -> bool:
        """Return whether there is an entry for an app."""
        key = self.key(home)
        return key is not None and os.path.exists(store.path_of(self._folder, key))

    def find(self, key: str) -> KeptRender | None:
        """Return the entry for ``key``; None for a missing or damaged one."""
        content = store.read(self._folder, key)
        return None if content is None else _read(content, key)

    def keep(self, key: str, files: Mapping[str, str], status_text: str, moment: str) -> None:
        """Keep a render of the time ``moment``, which is empty where the render depends on no time.

        The next run puts its own time in the place of ``moment``, in the status alone.  A render whose manifests have
        that time too is not kept: it may be somebody else's there.
        """
        if moment and any(moment in text for text in files.values()):
            return
        status = status_text.split(moment) if moment else [status_text]
        store.write(self._folder, key, zlib.compress(json.dumps([key, dict(files), status]).encode(), 1))

    def _is_real(self, folder: Path) -> bool:
        """Return whether no link leads to a folder: beyond a link the repository may end."""
        parent = os.path.dirname(folder)
        if parent not in self._real:
            self._real[parent] = os.path.realpath(parent)
        return self._real[parent] == parent and not os.path.islink(folder)


class UnknownError(Exception):
    """The files that an app is made from cannot be told from its folder."""


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
    """Yield the files below ``folder`` with their content; raise UnknownError for a file that depends on others.

    Templates of rendered manifests include others of their own folder alone.
    """
    start, left = len(str(folder)) + 1, MOST_BYTES
    for entry in walk(folder):
        if entry.is_dir(follow_symlinks=False):
            continue
        with open(entry.path, "rb", buffering=0) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0 or (entry.name.endswith(".j2") and not are_templates and INCLUDES.search(content)):
            raise UnknownError
        yield entry.path[start:], content


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all files and folders below ``folder``; raise UnknownError for a link or a special file."""
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
    for folder in stamps.library_folders():
        digest.update(repr(sorted(name for name in os.listdir(folder) if name.endswith(".dist-info"))).encode())
    for path in sorted(stamps.own_files()):
        digest.update(path.rpartition("/")[2].encode())
        if os.path.isfile(path):
            with open(path, "rb", buffering=0) as file:
                digest.update(sha256(file.read()).digest())
    return digest.digest()
