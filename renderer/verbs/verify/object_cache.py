"""What commits hold, asked of git once: an object's name is its content's, so an answer stays right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from renderer.git.objects import TreeFile, read_blobs, tree_files
from renderer.git.repository import Repository

_LISTINGS, _BYTES = 64, 32_000_000
"""How many listings are kept, and how much content."""


class Objects:
    """The files of commits and their content; what follows one commit is mostly what was in it."""

    def __init__(self, repository: Repository) -> None:
        """Take the repository; nothing is read yet."""
        self._repository = repository
        self._listings: OrderedDict[tuple[str, ...], Mapping[str, TreeFile]] = OrderedDict()
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def files(self, sha: str, *paths: str) -> Mapping[str, TreeFile]:
        """Return the files of a commit or tree, by its full hash, in and below ``paths`` (all, without any)."""
        key = (sha, *paths)
        if key not in self._listings:
            self._listings[key] = tree_files(self._repository, sha, *paths)
        self._listings.move_to_end(key)
        while len(self._listings) > _LISTINGS:
            self._listings.popitem(last=False)
        return self._listings[key]

    def contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of blobs by name; raises RollstepError where the repository has not got one."""
        wanted = set(names)
        missing = sorted(wanted - self._contents.keys())
        if missing:
            read = read_blobs(self._repository, missing)
            self._contents.update(read)
            self._size += sum(map(len, read.values()))
        found = {name: self._contents[name] for name in sorted(wanted)}
        while self._size > _BYTES:
            self._size -= len(self._contents.popitem(last=False)[1])
        return found
