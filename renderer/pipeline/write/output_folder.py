"""The output folder of an app: what rendering it changes there, as a plan and as a diff.

rollstep changes only the files that the marker in the folder lists (``marker``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError, reporting
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.files import read_own
from renderer.pipeline.load.marker import MARKER, digest, marker_text, read_marker
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.load.workspace import relative_findings

if TYPE_CHECKING:
    from renderer.pipeline.load.last_render import LastRender


class Changes(Struct, frozen=True):
    """The changes from the present content of a folder to its new content; file names are without the folder.

    ``files`` is the whole new content.  ``marker`` is the old and the new text of the marker, None for no marker.
    ``edited`` names the files of rollstep that were edited by hand: the changes overwrite or delete them, except those
    that are ``kept``, whose edit is in the new content too.
    """

    folder: Path
    files: Mapping[str, str]
    created: Mapping[str, str]
    updated: Mapping[str, tuple[str, str]]
    deleted: Mapping[str, str]
    unchanged: tuple[str, ...]
    edited: tuple[str, ...]
    marker: tuple[str | None, str | None]
    kept: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """True if any file changes, including the marker."""
        return bool(self.created or self.updated or self.deleted) or self.marker[0] != self.marker[1]

    def planned(self) -> Iterator[tuple[str, str | None]]:
        """Yield the path of every file with its new text, None for a deleted file.

        In this order ``kustomization.yaml`` never lists a missing file.
        """
        folder = str(self.folder)
        for name in sorted(self.files, key=lambda name: (name == KUSTOMIZATION, name)):
            yield f"{folder}/{name}", self.files[name]
        for name in sorted(self.deleted):
            yield f"{folder}/{name}", None
        yield f"{folder}/{MARKER}", self.marker[1]

    def unchanged_paths(self) -> Iterator[str]:
        """Yield the paths of the files that already have their new content."""
        for name in self.unchanged:
            yield f"{self.folder}/{name}"
        if self.marker[0] == self.marker[1]:
            yield f"{self.folder}/{MARKER}"

    def edit_notes(self, output_path: str) -> Iterator[str]:
        """Yield a line for each file that was edited by hand; ``output_path`` names the folder."""
        for name in self.edited:
            yield f"{output_path}/{name} was edited by hand and is written anew"
        for name in self.kept:
            yield f"{output_path}/{name} was edited by hand and is kept"

    def to_dict(self) -> dict[str, list[str]]:
        """Return the sorted file names by kind of change, as JSON-ready data."""
        return {
            "created": sorted(self.created),
            "updated": sorted(self.updated),
            "deleted": sorted(self.deleted),
            "unchanged": sorted(self.unchanged),
            "edited": sorted((*self.edited, *self.kept)),
        }


def plan_changes(home: Home, files: Mapping[str, str], last_render: LastRender | None = None) -> Changes:
    """Compare rendered ``files`` with an app's output folder; raise RollstepError as ``plan_write`` does."""
    with relative_findings(home.root):
        return plan_write(home.output, files, last_render)


def plan_write(folder: Path, files: Mapping[str, str], last_render: LastRender | None = None) -> Changes:
    """Compare ``folder`` with ``files`` (text by name), the complete new content; write nothing.

    Does not read the files of ``last_render`` again.  Raises RollstepError with every file of another owner that would
    be overwritten, and with every invalid line of the marker.
    """
    owned = read_marker(folder) if last_render is None else last_render.owned
    contents = {} if last_render is None else last_render.contents
    names = _names(folder)
    created: dict[str, str] = {}
    updated: dict[str, tuple[str, str]] = {}
    deleted: dict[str, str] = {}
    unchanged, edited, kept, findings = [], [], [], []
    for name in sorted(files.keys() | owned.keys()):
        path, new = f"{folder}/{name}", files.get(name)
        # Some file systems ignore case.
        exists = name in names or (bool(names) and os.path.lexists(path))
        if exists and (os.path.islink(path) or not os.path.isfile(path)):
            findings.append(Finding(path, 0, 0, "", "is not a regular file", "move it away"))
            continue
        old = (contents.get(name) or read_own(path)) if exists else None
        if old is not None and new is not None and old == new.encode():
            unchanged.append(name)
            if name in owned and digest(old) != owned[name]:
                kept.append(name)
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
    before = read_own(f"{folder}/{MARKER}") if MARKER in names else None
    marker = (
        None if before is None else before.decode(errors="replace"),
        marker_text(files) if files else None,
    )
    return Changes(folder, files, created, updated, deleted, tuple(unchanged), tuple(edited), marker, tuple(kept))


def changes_between(folder: Path, before: Mapping[str, str], files: Mapping[str, str]) -> Changes:
    """Return the changes of ``folder`` from ``before`` to ``files`` (text by name) without reading files."""
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
    """Return ``changes`` as a unified diff, sorted by file; ``prefix`` is the folder's name in the diff.

    The marker follows from the other files, so it appears only if nothing else changes.
    """
    texts: dict[str, tuple[str | None, str | None]] = {name: (None, new) for name, new in changes.created.items()}
    texts |= changes.updated
    texts |= {name: (old, None) for name, old in changes.deleted.items()}
    if not texts and changes.marker[0] != changes.marker[1]:
        texts[MARKER] = changes.marker
    prefix = prefix.rstrip("/") + "/" if prefix else ""
    return "".join(line for name in sorted(texts) for line in file_diff(prefix + name, *texts[name]))


def file_diff(path: str, old: str | None, new: str | None) -> Iterator[str]:
    """Yield the lines of one file's diff in git's format; None is the missing side of a new or deleted file."""
    # difflib is slow to import.
    from difflib import unified_diff

    before = f"a/{path}" if old is not None else "/dev/null"
    after = f"b/{path}" if new is not None else "/dev/null"
    for line in unified_diff(_lines(old), _lines(new), before, after):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _names(folder: Path) -> frozenset[str]:
    with reporting(str(folder)), suppress(FileNotFoundError, NotADirectoryError):
        return frozenset(os.listdir(folder))
    return frozenset()


def _lines(text: str | None) -> list[str]:
    # str.splitlines also splits at U+2028 and its like, which end no line of a file.
    return re.findall(r"[^\n]*\n|[^\n]+", text or "")
