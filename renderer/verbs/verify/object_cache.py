"""A cache of git's trees and blobs; it never expires, since a hash names its content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from renderer.git.objects import TreeFile, read_blobs, tree_files
from renderer.git.repository import Repository

_LISTINGS, _BYTES = 64, 32_000_000
"""The most listings and the most bytes of content in the cache."""


class ObjectCache:
    """The files of commits and their content; consecutive commits share most of both."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._listings: OrderedDict[tuple[str, ...], Mapping[str, TreeFile]] = OrderedDict()
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def files(self, sha: str, *paths: str) -> Mapping[str, TreeFile]:
        """Return the files of a commit or tree, by its full hash, in and below ``paths`` (all without any)."""
        key = (sha, *paths)
        if key not in self._listings:
            self._listings[key] = tree_files(self._repository, sha, *paths)
        self._listings.move_to_end(key)
        while len(self._listings) > _LISTINGS:
            self._listings.popitem(last=False)
        return self._listings[key]

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return the content of blobs by hash; raises RollstepError for a blob that the repository does not have."""
        wanted = set(hashes)
        missing = sorted(wanted - self._contents.keys())
        if missing:
            read = read_blobs(self._repository, missing)
            self._contents.update(read)
            self._size += sum(map(len, read.values()))
        found = {name: self._contents[name] for name in sorted(wanted)}
        while self._size > _BYTES:
            self._size -= len(self._contents.popitem(last=False)[1])
        return found
