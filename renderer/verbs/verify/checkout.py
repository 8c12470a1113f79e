"""Files of a commit in a temporary folder, for the loaders; neither the work tree nor the index is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from renderer.errors import Finding, RollstepError
from renderer.git.objects import TreeFile
from renderer.verbs.verify.object_cache import ObjectCache

LINK, EXECUTABLE, SUBMODULE = "120000", "100755", "160000"
_OUTSIDE = ".rollstep-outside"
"""The dangling target of links out of the commit."""


class Checkout:
    """A temporary folder with chosen files of one commit at a time; only files that differ are written again."""

    def __init__(self, objects: ObjectCache) -> None:
        """Make the folder; ``close`` removes it."""
        self._objects = objects
        self._folder = TemporaryDirectory(prefix="rollstep-snapshot-")
        self.root = Path(os.path.realpath(self._folder.name))
        self._files: dict[str, TreeFile] = {}

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def check_out(self, files: Mapping[str, TreeFile]) -> Path:
        """Replace the folder's content by ``files`` (by path) and return the folder.

        A link out of the commit becomes a dangling one.  Raises RollstepError for a path that git does not check out.
        """
        wanted = {path: file for path, file in files.items() if file.mode != SUBMODULE}
        invalid = [path for path in wanted if {".", "..", ".git", ""} & {part.lower() for part in path.split("/")}]
        if invalid:
            raise RollstepError(Finding(path, 0, 0, "", "is a path that git does not check out") for path in invalid)
        # Remove before writing: a folder may take the place of a link.
        for path in [path for path, entry in self._files.items() if wanted.get(path) != entry]:
            self._remove(path)
        fresh = {path: entry for path, entry in wanted.items() if path not in self._files}
        contents = self._objects.contents(entry.sha for entry in fresh.values())
        for path, entry in fresh.items():
            self._write(path, entry.mode, contents[entry.sha])
            self._files[path] = entry
        return self.root

    def _remove(self, path: str) -> None:
        target = self.root / path
        target.unlink()
        del self._files[path]
        for parent in target.parents:
            if parent == self.root or any(parent.iterdir()):
                break
            parent.rmdir()

    def _write(self, path: str, mode: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == LINK:
            link = os.fsdecode(content)
            leads_out = os.path.isabs(link) or os.path.normpath(PurePosixPath(path).parent / link).startswith("..")
            target.symlink_to(_OUTSIDE if leads_out else link)
            return
        target.write_bytes(content)
        if mode == EXECUTABLE:
            target.chmod(0o755)
