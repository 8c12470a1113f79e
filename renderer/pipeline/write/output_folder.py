"""The folder of rendered files: what of it is ours, what would change, and the change itself.

``MARKER`` lists the files that rollstep wrote into a folder with their SHA-256, a line each as ``sha256sum`` prints
them (``cd rendered && sha256sum -c .rollstep``).  What it does not list is somebody else's: never changed, never
deleted.  It is a dot file without a YAML suffix, so kubectl, kustomize, Argo CD and Flux pass it by.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError, reporting
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.last_render import LastRender
from renderer.pipeline.load.marker import MARKER, digest, marker_text, read_file, read_marker
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.load.workspace import relative_findings


class Changes(Struct, frozen=True):
    """What brings a folder to its new content; file names are without the folder.

    ``files`` is the whole new content, ``marker`` the old and the new text of the marker (None: no marker).  ``edited``
    names files of ours whose text is neither what we wrote last nor what we write now: by hand, that is, and the change
    overwrites or deletes them.
    """

    folder: Path
    files: Mapping[str, str]
    created: Mapping[str, str]
    updated: Mapping[str, tuple[str, str]]
    deleted: Mapping[str, str]
    unchanged: tuple[str, ...]
    edited: tuple[str, ...]
    marker: tuple[str | None, str | None]

    def __bool__(self) -> bool:
        """Whether any file changes, the marker among them."""
        return bool(self.created or self.updated or self.deleted) or self.marker[0] != self.marker[1]

    def planned(self) -> Iterator[tuple[str, str | None]]:
        """Yield every file of the folder with its text, and None for a file that goes.

        The order keeps the folder usable at each moment: ``kustomization.yaml`` never lists a missing file.
        """
        folder = str(self.folder)
        for name in sorted(self.files, key=lambda name: (name == KUSTOMIZATION, name)):
            yield f"{folder}/{name}", self.files[name]
        for name in sorted(self.deleted):
            yield f"{folder}/{name}", None
        yield f"{folder}/{MARKER}", self.marker[1]

    def kept(self) -> Iterator[str]:
        """Yield the paths of files that hold their new content already."""
        for name in self.unchanged:
            yield f"{self.folder}/{name}"
        if self.marker[0] == self.marker[1]:
            yield f"{self.folder}/{MARKER}"

    def to_dict(self) -> dict[str, list[str]]:
        """Return the file names by what happens to them, as JSON-ready data."""
        return {
            "created": sorted(self.created),
            "updated": sorted(self.updated),
            "deleted": sorted(self.deleted),
            "unchanged": sorted(self.unchanged),
            "edited": sorted(self.edited),
        }


def plan_write(folder: Path, files: Mapping[str, str], last_render: LastRender | None = None) -> Changes:
    """Compare ``folder`` with ``files`` (text by file name), which are to be all that rollstep has there.

    Changes nothing.  With a ``last_render``, the files of that are not read again.  Raises RollstepError with every
    foreign file that is in the way, and with every invalid line of the marker.
    """
    owned = read_marker(folder) if last_render is None else last_render.owned
    contents = {} if last_render is None else last_render.contents
    place, there = str(folder), _names(folder)
    created: dict[str, str] = {}
    updated: dict[str, tuple[str, str]] = {}
    deleted: dict[str, str] = {}
    unchanged, edited, findings = [], [], []
    for name in sorted(files.keys() | owned.keys()):
        path, new = f"{place}/{name}", files.get(name)
        # A file system may take names for the same that differ in case.
        is_there = name in there or (bool(there) and os.path.lexists(path))
        if is_there and not os.path.isfile(path):
            findings.append(Finding(path, 0, 0, "", "is not a regular file", "move it away"))
            continue
        old = (contents.get(name) or read_file(path)) if is_there else None
        if old is not None and new is not None and old == new.encode():
            unchanged.append(name)
            continue
        text = None if old is None else old.decode(errors="replace")
        if old is not None and name not in owned:
            message = "would be overwritten by a rendered file, but rollstep did not write it"
            findings.append(Finding(path, 0, 0, "", message, "rename it, or remove it"))
        elif old is not None and digest(old) != owned[name]:
            edited.append(name)
        if text is None and new is not None:
            created[name] = new
        elif text is not None and new is not None:
            updated[name] = (text, new)
        elif text is not None:
            deleted[name] = text
    if findings:
        raise RollstepError(findings)
    before = read_file(f"{place}/{MARKER}") if MARKER in there else None
    marker = (
        None if before is None else before.decode(errors="replace"),
        marker_text(files) if files else None,
    )
    return Changes(folder, files, created, updated, deleted, tuple(unchanged), tuple(edited), marker)


def changes_between(folder: Path, before: Mapping[str, str], files: Mapping[str, str]) -> Changes:
    """Return what brings ``folder`` from ``before`` to ``files``, both rendered: no disk is asked."""
    return Changes(
        folder,
        files,
        created={name: files[name] for name in sorted(files.keys() - before.keys())},
        updated={
            name: (before[name], files[name])
            for name in sorted(files.keys() & before.keys())
            if before[name] != files[name]
        },
        deleted={name: before[name] for name in sorted(before.keys() - files.keys())},
        unchanged=tuple(sorted(name for name in files if before.get(name) == files[name])),
        edited=(),
        marker=(marker_text(before) or None, marker_text(files) or None),
    )


def diff(changes: Changes, prefix: str = "") -> str:
    """Return ``changes`` as a unified diff, files sorted by name; ``prefix`` is the folder as the diff names it.

    The marker's digests tell a reader nothing new: it is shown only where nothing else changes.
    """
    pieces: dict[str, tuple[str | None, str | None]] = {}
    pieces |= {name: (None, new) for name, new in changes.created.items()}
    pieces |= dict(changes.updated)
    pieces |= {name: (old, None) for name, old in changes.deleted.items()}
    if not pieces and changes.marker[0] != changes.marker[1]:
        pieces[MARKER] = changes.marker
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    return "".join(line for name in sorted(pieces) for line in unified(prefix + name, *pieces[name]))


def unified(path: str, old: str | None, new: str | None) -> Iterator[str]:
    """Yield the lines of one file's diff as git has them; None where there is no file on that side."""
    # difflib builds regular expressions when it is imported.
    from difflib import unified_diff

    before = f"a/{path}" if old is not None else "/dev/null"
    after = f"b/{path}" if new is not None else "/dev/null"
    for line in unified_diff(_lines(old), _lines(new), before, after):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _names(folder: Path) -> frozenset[str]:
    """Return the names of all that is in a folder, none where there is no such folder."""
    with reporting(str(folder)), suppress(FileNotFoundError, NotADirectoryError):
        return frozenset(os.listdir(folder))
    return frozenset()


def _lines(text: str | None) -> list[str]:
    # str.splitlines also splits at U+2028 and its like, which are no line ends in a file.
    return re.findall(r"[^\n]*\n|[^\n]+", text or "")


def plan_changes(home: Home, files: Mapping[str, str], last_render: LastRender | None = None) -> Changes:
    """Compare rendered ``files`` with the output folder; raise RollstepError where foreign files are in the way."""
    with relative_findings(home.root):
        return plan_write(home.output, files, last_render)
