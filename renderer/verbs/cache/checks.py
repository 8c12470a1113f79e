"""The result of the last ``render --check`` of the same apps, valid while no file has changed.

The module imports little, so that a check of an unchanged fleet loads neither settings nor engine.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from marshal import dumps, loads
from zlib import crc32

from renderer.verbs.cache import stamps, store
from renderer.verbs.cache.stamps import Group

FORMAT = 3


class Check:
    """A check of ``targets``, run in the folder ``cwd`` of the work tree at ``root``."""

    def __init__(self, root: str, cwd: str, targets: tuple[str, ...]) -> None:
        self.root = root
        self._key: tuple[int | str, ...] = (FORMAT, sys.prefix, __file__, root, cwd, *targets)
        self._folder = store.folder()

    @classmethod
    def of(cls, directory: str, targets: tuple[str, ...]) -> Check | None:
        """Return the check of ``targets`` in ``directory``; None outside of a repository."""
        cwd = root = os.path.realpath(directory)
        # As renderer.pipeline.load.workspace.find_root does.
        while not (os.path.exists(f"{root}/.git") or os.path.exists(f"{root}/rollstep.yaml")):
            root, below = os.path.dirname(root), root
            if root == below:
                return None
        return cls(root, cwd, targets)

    def up_to_date(self) -> int | None:
        """Return how many apps were up to date; None if one was not or if a file has changed since."""
        groups, is_complete = self.load()
        if not is_complete or not all(map(stamps.is_unchanged, groups)):
            return None
        return sum("/" in group[0] for group in groups)

    def load(self) -> tuple[list[Group], bool]:
        """Return the files that the last check depends on, and whether all its apps were up to date."""
        content = store.read(self._folder, self._digest()) if self._folder else None
        if not content or int.from_bytes(content[:4], "big") != crc32(content[4:]):
            return [], False
        try:
            key, groups, is_complete = loads(content[4:])
        except (ValueError, EOFError, TypeError):
            return [], False
        return (groups, is_complete) if key == self._key else ([], False)

    def save(self, groups: list[Group], *, is_complete: bool) -> None:
        """Save the result of this check."""
        if self._folder:
            content = dumps((self._key, groups, is_complete))
            store.write(self._folder, self._digest(), crc32(content).to_bytes(4, "big") + content)

    def _digest(self) -> str:
        return sha256(repr(self._key).encode(errors="surrogateescape")).hexdigest()


def up_to_date(apps: int) -> str:
    """Return the line that a check prints if all apps are up to date."""
    return f"{apps} {'app is' if apps == 1 else 'apps are'} up to date"
