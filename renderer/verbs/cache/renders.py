"""The cache of rendered apps, by the content of their inputs.

The key of an app is a digest of all its inputs: rollstep's own code and its libraries, the app's settings and
templates, and the content of every file in its folder (manifests, ``status.yaml`` and the rendered files).  An app
with unknown inputs has no key and is always rendered.
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

import msgspec
from msgspec import Struct

from renderer.pipeline.load.discover import Home
from renderer.verbs.cache import stamps, store

FORMAT = 1
MOST_BYTES = 16_000_000
"""An app with larger files is always rendered: its folder has more than manifests."""

INCLUDES = re.compile(rb"\b(include|import|extends)\b")
"""The statements with which a template includes another file, from anywhere in the repository."""


class UnknownInputsError(Exception):
    """The inputs of an app are not all known."""


class CachedRender(Struct, frozen=True):
    """An entry: the rendered files by name, and the text of the status, split at each time of the run."""

    files: Mapping[str, str]
    status: tuple[str, ...]

    def status_text(self, time: str) -> str:
        """Return the text of the status for a run at ``time``."""
        return time.join(self.status)


class RenderCache:
    """The cached renders in one folder, for runs that render ``step`` (None for the current step)."""

    def __init__(self, folder: str, step: int | None) -> None:
        self._folder = folder
        self._step = step
        self._real: dict[str, str] = {}

    @classmethod
    def open(cls, step: int | None) -> RenderCache | None:
        """Return the user's cache without its unused entries; None if it cannot be written."""
        folder = store.folder()
        if folder is None:
            return None
        try:
            store.trim(folder)
        except OSError:
            return None
        return cls(folder, step)

    def key(self, home: Home) -> str | None:
        """Return the digest of an app's inputs; None if they are not all known."""
        templates = home.settings.templates
        folders = [home.ref.folder, *([templates] if templates else [])]
        if home.settings.source.argv is not None or not all(map(self._is_real, folders)):
            return None
        try:
            files = dict(_files(home.ref.folder))
            # Read each time, since templates may change during a run, and a worker process outlives a run.
            template_files = sorted(_files(templates, are_templates=True)) if templates else []
        except (OSError, UnknownInputsError):
            return None
        digest = sha256(_program())
        digest.update(repr(template_files).encode())
        digest.update(repr((FORMAT, home.path, self._step, home.settings)).replace(f"'{home.root}/", "'").encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
        return digest.hexdigest()

    def has(self, home: Home) -> bool:
        """Return whether there is an entry for an app."""
        key = self.key(home)
        return key is not None and os.path.exists(store.path_of(self._folder, key))

    def find(self, key: str) -> CachedRender | None:
        """Return the entry for ``key``; None for a missing or damaged one."""
        content = store.read(self._folder, key)
        return None if content is None else _read(content, key)

    def add(self, key: str, files: Mapping[str, str], status_text: str, moment: str) -> None:
        """Cache a render at the time ``moment``, which is empty if the render depends on no time.

        The next run replaces ``moment`` with its own time, in the status alone.  Does not cache a render whose
        manifests have that time too, where it may be part of the user's data.
        """
        if moment and any(moment in text for text in files.values()):
            return
        status = status_text.split(moment) if moment else [status_text]
        store.write(self._folder, key, zlib.compress(json.dumps([key, dict(files), status]).encode(), 1))

    def _is_real(self, folder: Path) -> bool:
        """Return whether the path of a folder has no links: a link may lead out of the repository."""
        parent = os.path.dirname(folder)
        if parent not in self._real:
            self._real[parent] = os.path.realpath(parent)
        return self._real[parent] == parent and not os.path.islink(folder)


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all files and folders below ``folder``; raise UnknownInputsError for a link or a special file."""
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise UnknownInputsError
                yield entry


def _read(content: bytes, key: str) -> CachedRender | None:
    """Return the entry in ``content``; None for a damaged one."""
    try:
        text = zlib.decompress(content)
        found, files, status = msgspec.json.decode(text, type=tuple[str, dict[str, str], tuple[str, ...]])
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return CachedRender(files, status) if found == key else None


def _files(folder: Path, *, are_templates: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield the files below ``folder`` with their content; raise UnknownInputsError for a file that includes others.

    With ``are_templates`` the files may include each other, since they can include no file of another folder.
    """
    start, left = len(str(folder)) + 1, MOST_BYTES
    for entry in walk(folder):
        if entry.is_dir(follow_symlinks=False):
            continue
        with open(entry.path, "rb", buffering=0) as file:
            content = file.read(left + 1)
        left -= len(content)
        if left < 0 or (entry.name.endswith(".j2") and not are_templates and INCLUDES.search(content)):
            raise UnknownInputsError
        yield entry.path[start:], content


@cache
def _program() -> bytes:
    """Return the digest of rollstep's own files, its libraries' names and versions, and Python's version."""
    digest = sha256(repr(sys.version_info[:3]).encode())
    for folder in stamps.library_folders():
        digest.update(repr(sorted(name for name in os.listdir(folder) if name.endswith(".dist-info"))).encode())
    for path in sorted(stamps.own_files()):
        content = _file_content(path)
        digest.update(f"{path.rpartition('/')[2]}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()


def _file_content(path: str) -> bytes:
    """Return the bytes of a file; none for a folder or a link to nothing."""
    # A file object takes twice the time of these calls, and rollstep has some 300 files.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    except IsADirectoryError:
        return b""
    finally:
        os.close(descriptor)
