"""A cache of git's trees and blobs; it never expires, since a hash names its content."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from renderer.errors import Finding, RollstepError
from renderer.git.object_reader import Object, ObjectReader
from renderer.git.objects import REGULAR, SUBMODULE, TreeFile
from renderer.git.repository import Repository

__all__ = ["EXECUTABLE", "FOLDER", "LINK", "REGULAR", "SUBMODULE", "ObjectCache"]

LINK, EXECUTABLE, FOLDER = "120000", "100755", "40000"
"""Modes of a tree's entries, as git stores them; ``git ls-tree`` prints a folder's as 040000."""

_TREES, _BYTES = 4096, 32_000_000
"""The most trees and the most bytes of content in the cache."""
_MOST_FILES, _MOST_CHARACTERS = 100_000, 16_000_000
"""The most files in one listing, and the most characters of their paths: some bytes of objects can name millions."""
_IGNORED = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])
"""Characters that HFS+ ignores in names (git's ``next_hfs_char``)."""
_MOST_LEVELS = 200
"""The most folders within each other."""


class ObjectCache:
    """The trees of commits and the content of their files; consecutive commits share most of both."""

    def __init__(self, repository: Repository) -> None:
        self._reader = ObjectReader(repository)
        self._roots: dict[str, str] = {"": ""}
        self._trees: OrderedDict[str, Mapping[str, TreeFile]] = OrderedDict()
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    def close(self) -> None:
        """End git."""
        self._reader.close()

    def root_tree(self, sha: str) -> TreeFile:
        """Return the tree of a commit or tree, an empty one for no hash; raise RollstepError for a missing one."""
        if sha not in self._roots:
            self._roots[sha] = self._add_tree(self._required(f"{sha}^{{tree}}"))
        return TreeFile(FOLDER, self._roots[sha])

    def tree(self, sha: str) -> Mapping[str, TreeFile]:
        """Return the entries of one tree by name.

        Raises RollstepError for a name that git does not check out, and for a name that is there twice.
        """
        if not sha:
            return {}
        if sha not in self._trees:
            self._add_tree(self._required(sha))
        self._trees.move_to_end(sha)
        return self._trees[sha]

    def find(self, sha: str, path: str) -> TreeFile | None:
        """Return the entry at a path of a commit or tree, without following links; None for a missing one."""
        found = self.root_tree(sha)
        for name in path.split("/"):
            entries: Mapping[str, TreeFile] = self.tree(found.sha) if found.mode == FOLDER else {}
            if name not in entries:
                return None
            found = entries[name]
        return found

    def files(self, sha: str, *paths: str) -> Mapping[str, TreeFile]:
        """Return the files, links and submodules of a commit or tree in and below ``paths`` (all without any), sorted.

        Raises RollstepError for more than 100,000 of them.
        """
        found, size = dict[str, TreeFile](), 0
        for path in dict.fromkeys(paths or ("",)):
            entry = self.find(sha, path) if path else self.root_tree(sha)
            for name, file in () if entry is None else self._below(path, entry):
                found[name] = file
                size += len(name)
                if len(found) > _MOST_FILES or size > _MOST_CHARACTERS:
                    raise RollstepError.at(path, f"has more than {_MOST_FILES:,} files")
        return dict(sorted(found.items()))

    def content(self, sha: str, shown: str) -> bytes:
        """Return the content of a blob, which is the file ``shown``; raise RollstepError as ``contents``."""
        try:
            return self.contents([sha])[sha]
        except RollstepError as error:
            findings = (Finding(shown, 0, 0, "", found.message, found.hint) for found in error.findings)
            raise RollstepError(findings) from error

    def contents(self, hashes: Iterable[str]) -> dict[str, bytes]:
        """Return the content of blobs by hash; raise RollstepError for a missing or too large one."""
        found: dict[str, bytes] = {}
        for name in sorted(set(hashes)):
            if name not in self._contents:
                self._contents[name] = self._required(name).content
                self._size += len(self._contents[name])
            found[name] = self._contents[name]
        while self._size > _BYTES:
            self._size -= len(self._contents.popitem(last=False)[1])
        return found

    def committed(self, sha: str) -> tuple[datetime, str]:
        """Return the committer's time of a commit (UTC; the epoch for a malformed one) and its first parent.

        The parent is empty for a root commit.
        """
        header = self._required(sha).content.partition(b"\n\n")[0]
        found = re.search(rb"^committer .*> (\d{1,11}) [+-]\d{4}$", header, re.MULTILINE)
        parent = re.search(rb"^parent ([0-9a-f]+)$", header, re.MULTILINE)
        return datetime.fromtimestamp(int(found[1]) if found else 0, UTC), parent[1].decode() if parent else ""

    def names(self, places: Sequence[str]) -> list[str]:
        """Return the hash of the object at each ``COMMIT:PATH``, empty for a missing one."""
        found = []
        for place in places:
            sha, _, path = place.partition(":")
            entry = self.find(sha, path) if sha and self.exists(sha) else None
            found.append("" if entry is None else entry.sha)
        return found

    def exists(self, sha: str) -> bool:
        """Return whether there is a commit or tree of this name."""
        if sha not in self._roots:
            read = self._reader.read(f"{sha}^{{tree}}")
            if read is None:
                return False
            self._roots[sha] = self._add_tree(read)
        return True

    def _required(self, name: str) -> Object:
        found = self._reader.read(name)
        if found is None:
            message = f"the object {name} is missing"
            raise RollstepError(message, hint="fetch it: git fetch --refetch, or clone anew")
        return found

    def _below(self, path: str, entry: TreeFile) -> Iterator[tuple[str, TreeFile]]:
        pending = [(path, entry, 0)]
        while pending:
            place, file, level = pending.pop()
            if file.mode != FOLDER:
                yield place, file
                continue
            if level > _MOST_LEVELS:
                raise RollstepError.at(place[:200], f"is below more than {_MOST_LEVELS} folders")
            prefix = f"{place}/" if place else ""
            pending += [(f"{prefix}{name}", found, level + 1) for name, found in self.tree(file.sha).items()]

    def _add_tree(self, read: Object) -> str:
        self._trees[read.sha] = parse_tree(read)
        while len(self._trees) > _TREES:
            self._trees.popitem(last=False)
        return read.sha


def check_case(names: Iterable[str], folder: str) -> None:
    """Raise RollstepError for names in ``folder`` that differ only in case, of which some file systems keep one."""
    found: dict[str, str] = {}
    findings = []
    for name in sorted(names):
        other = found.setdefault(folded(name), name)
        if other != name:
            findings.append(Finding(f"{folder}/{name}", 0, 0, "", f"differs from {other} only in case", "rename one"))
    if findings:
        raise RollstepError(findings)


def folded(name: str) -> str:
    """Return a name as file systems compare it that know no case, no forms of Unicode and no ignored characters."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold()).translate(_IGNORED)


def _is_git_folder(name: str) -> bool:
    """Return whether a file system may take a name for ``.git`` (git's ``is_hfs_dotgit`` and ``is_ntfs_dotgit``)."""
    return folded(name).partition(":")[0].rstrip(" .") in (".git", "git~1")


def parse_tree(read: Object) -> Mapping[str, TreeFile]:
    """Return the entries of a tree by name; raise RollstepError as ``ObjectCache.tree``."""
    width, start, content = len(read.sha) // 2, 0, read.content
    found: dict[str, TreeFile] = {}
    findings = []
    # "<mode> <name>\0<hash>" for each entry
    while start < len(content) and len(found) <= _MOST_FILES:
        middle, end = content.find(b" ", start), content.find(b"\0", start)
        mode, name = _mode(content[start:middle]), os.fsdecode(content[middle + 1 : end])
        if name in ("", ".", "..") or _is_git_folder(name) or "/" in name or not mode or middle < 0 or end < middle:
            raise RollstepError.at(name[:200], "is an entry of a tree that git does not check out", "git fsck")
        if name in found:
            findings.append(Finding(name, 0, 0, "", "is twice in one folder", "git fsck"))
        start = end + 1 + width
        found[name] = TreeFile(mode, content[end + 1 : start].hex())
    if len(found) > _MOST_FILES:
        raise RollstepError(f"the folder {read.sha[:9]} has more than {_MOST_FILES:,} files")
    if findings:
        raise RollstepError(findings)
    return found


def _mode(octal: bytes) -> str:
    """Return the mode that git takes an entry's for (``canon_mode`` in ``cache.h``); empty for an invalid one."""
    if not octal or octal.strip(b"01234567"):
        return ""
    number = int(octal, 8)
    kinds = {0o040000: FOLDER, 0o120000: LINK, 0o160000: SUBMODULE}
    if number & 0o170000 == 0o100000:
        return EXECUTABLE if number & 0o100 else REGULAR
    return kinds.get(number & 0o170000, "")
