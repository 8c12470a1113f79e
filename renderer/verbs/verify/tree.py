"""The files of a commit, read from git's objects: nothing of a commit that is judged is laid out on disk.

Every entry of a tree is judged where it is read: its name, its mode and its size.  A link is resolved within the tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import RollstepError
from renderer.git.objects import TreeFile
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.files import Entry
from renderer.verbs.verify.object_cache import FOLDER, LINK, SUBMODULE, ObjectCache, check_case

_OUTSIDE = "/"
"""The real path of what leads out of the tree."""
_MOST_LINKS = 40
"""The links on the way to a file that are followed, as in Linux."""


class TreeEntry(Struct, frozen=True):
    """An entry of a folder in a tree; ``leads_to_folder`` says so of a folder and of a link to one."""

    name: str
    path: str
    mode: str
    leads_to_folder: bool

    def is_dir(self) -> bool:
        """As ``os.DirEntry``."""
        return self.leads_to_folder

    def is_symlink(self) -> bool:
        """As ``os.DirEntry``."""
        return self.mode == LINK


class Tree:
    """The files of a commit or tree; ``root`` is the folder that paths begin with, and is not read on disk."""

    def __init__(self, objects: ObjectCache, sha: str, root: Path) -> None:
        self._objects = objects
        self._sha = sha
        self.root = root

    def entries(self, folder: str) -> Sequence[Entry]:
        """As ``Files``; raise RollstepError for a submodule, whose files are elsewhere."""
        found = self._find(self.real(folder))
        if found is None or found.mode == LINK:
            return []
        if found.mode == SUBMODULE:
            raise RollstepError.at(self._shown(folder), "is a submodule", "run rollstep in that repository")
        if found.mode != FOLDER:
            return []
        place = folder.rstrip("/")
        check_case(self._objects.tree(found.sha), self._shown(folder))
        return [self._entry(name, f"{place}/{name}", file) for name, file in self._objects.tree(found.sha).items()]

    def real(self, path: str) -> str:
        """As ``Files``."""
        parts = self._parts(path)
        return _OUTSIDE if parts is None else "/".join([str(self.root).rstrip("/"), *parts])

    def exists(self, path: str) -> bool:
        """As ``Files``."""
        return self._lfind(path) is not None

    def is_link(self, path: str) -> bool:
        """As ``Files``."""
        found = self._lfind(path)
        return found is not None and found.mode == LINK

    def is_file(self, path: str) -> bool:
        """As ``Files``."""
        found = self._find(self.real(path))
        return found is not None and found.mode not in (LINK, FOLDER, SUBMODULE)

    def is_dir(self, path: str) -> bool:
        """As ``Files``."""
        found = self._find(self.real(path))
        return found is not None and found.mode == FOLDER

    def is_tracked(self, real: str) -> bool:
        """As ``Files``."""
        return self._find(real) is not None

    def read_text(self, path: str, shown: str) -> str:
        """As ``Files``."""
        found = self._find(self.real(path))
        if found is None or found.mode in (LINK, FOLDER, SUBMODULE):
            raise RollstepError.at(shown, "cannot be read: it is no file of the commit")
        return decode(self._objects.content(found.sha, shown), shown)

    def read_own(self, path: str, shown: str) -> bytes | None:
        """As ``Files``."""
        found = self._lfind(path)
        if found is None:
            return None
        if found.mode in (LINK, FOLDER, SUBMODULE):
            kind = "a symbolic link" if found.mode == LINK else "not a regular file"
            raise RollstepError.at(shown, f"is {kind}", "rollstep writes this file itself")
        return self._objects.content(found.sha, shown)

    def _entry(self, name: str, path: str, file: TreeFile) -> TreeEntry:
        return TreeEntry(name, path, file.mode, file.mode == FOLDER or (file.mode == LINK and self.is_dir(path)))

    def _lfind(self, path: str) -> TreeFile | None:
        """Return the entry at a path, whose folder may be behind links."""
        folder, _, name = path.rstrip("/").rpartition("/")
        return self._find(f"{self.real(folder)}/{name}") if folder else None

    def _find(self, real: str) -> TreeFile | None:
        """Return the entry at a path without links, a folder for the root; None for a missing one."""
        found = self._objects.root_tree(self._sha)
        for part in self._relative(real) if self._is_inside(real) else [""]:
            entries: Mapping[str, TreeFile] = self._objects.tree(found.sha) if found.mode == FOLDER else {}
            if part not in entries:
                return None
            found = entries[part]
        return found

    def _parts(self, path: str) -> list[str] | None:
        """Return the names on the way from the root to a path without links; None outside of the root."""
        if not self._is_inside(path):
            return None
        pending, parts, links = list(reversed(self._relative(path))), list[str](), 0
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if not parts:
                    return None
                parts.pop()
                continue
            parts.append(name)
            found = self._find("/".join([str(self.root).rstrip("/"), *parts]))
            if found is None or found.mode != LINK:
                continue
            links += 1
            target = self._objects.content(found.sha, "/".join(parts)).decode(errors="surrogateescape")
            if links > _MOST_LINKS or target.startswith("/"):
                return None
            parts.pop()
            pending += reversed(target.split("/"))
        return parts

    def _is_inside(self, path: str) -> bool:
        top = str(self.root).rstrip("/")
        return path == top or path.startswith(f"{top}/")

    def _relative(self, path: str) -> list[str]:
        rest = path[len(str(self.root).rstrip("/")) :].strip("/")
        return rest.split("/") if rest else []

    def _shown(self, path: str) -> str:
        return "/".join(self._relative(path)) or "."
