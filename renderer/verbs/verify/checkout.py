"""Files of a commit, laid out in a temporary folder for the loaders: no work tree and no index is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from renderer.errors import Finding, RollstepError
from renderer.git.objects import TreeFile
from renderer.verbs.verify.object_cache import Objects

LINK, EXECUTABLE, SUBMODULE = "120000", "100755", "160000"
_NOWHERE = ".rollstep-outside"


class Snapshot:
    """A temporary folder that holds chosen files of one commit at a time; only what differs is written again."""

    def __init__(self, objects: Objects) -> None:
        """Make the folder; ``close`` removes it."""
        self._objects = objects
        self._folder = TemporaryDirectory(prefix="rollstep-snapshot-")
        self.root = Path(os.path.realpath(self._folder.name))
        self._held: dict[str, TreeFile] = {}

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def hold(self, files: Mapping[str, TreeFile]) -> Path:
        """Make the folder hold ``files``, by path, and nothing else; return it.

        A link that leads out of the commit leads to nothing here.  Raises RollstepError for a path that no checkout
        could have.
        """
        wanted = {path: file for path, file in files.items() if file.mode != SUBMODULE}
        strange = [path for path in wanted if {".", "..", ".git", ""} & {part.lower() for part in path.split("/")}]
        if strange:
            raise RollstepError(Finding(path, 0, 0, "", "is a path that git checks out nowhere") for path in strange)
        # All that goes goes first: where a link was, there may be a folder now.
        for path in [path for path, entry in self._held.items() if wanted.get(path) != entry]:
            self._remove(path)
        fresh = {path: entry for path, entry in wanted.items() if path not in self._held}
        contents = self._objects.contents(entry.sha for entry in fresh.values())
        for path, entry in fresh.items():
            self._write(path, entry.mode, contents[entry.sha])
            self._held[path] = entry
        return self.root

    def _remove(self, path: str) -> None:
        target = self.root / path
        target.unlink()
        del self._held[path]
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
            target.symlink_to(_NOWHERE if leads_out else link)
            return
        target.write_bytes(content)
        if mode == EXECUTABLE:
            target.chmod(0o755)
