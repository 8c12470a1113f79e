"""The commits of a range, oldest first, with their parents and their changes against the first parent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from msgspec import Struct, field

from renderer.errors import RollstepError
from renderer.git.objects import TreeFile
from renderer.git.repository import Commit, Repository
from renderer.verbs.verify.object_cache import FOLDER, ObjectCache

_MOST_FILES, _MOST_CHARACTERS = 100_000, 16_000_000
"""The most files that one commit may change, and the most characters of their paths."""


class FileChange(Struct, frozen=True):
    """The blobs of a path before and after a commit, empty for a missing file, and the mode after it."""

    before: str
    after: str
    mode: str


class Change(Struct, frozen=True):
    """A commit with its parents (none for a root commit) and the files that differ from its first parent, by path."""

    commit: Commit
    parents: tuple[str, ...]
    files: dict[str, FileChange] = field(default_factory=dict)

    @property
    def parent(self) -> str:
        """The first parent's hash; empty for a root commit."""
        return self.parents[0] if self.parents else ""

    @property
    def is_merge(self) -> bool:
        """True if the commit has several parents."""
        return len(self.parents) > 1


class Changes(Sequence[Change]):
    """The commits of a range, each after its parents; their changes are read where the caller asks for a commit."""

    def __init__(self, repository: Repository, objects: ObjectCache, rows: Sequence[Sequence[str]]) -> None:
        """``rows`` are the commits' hashes, each with those of its parents."""
        self._objects = objects
        self.rows = rows
        self._commits = repository.commits([row[0] for row in rows])

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Change: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Change]: ...

    def __getitem__(self, index: int | slice) -> Change | Sequence[Change]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        sha, *parents = self.rows[index]
        return Change(self._commits[index], tuple(parents), changed_files(self._objects, (parents or [""])[0], sha))


def list_changes(repository: Repository, objects: ObjectCache, revisions: Sequence[str]) -> Changes:
    """Return the commits that ``revisions`` (as ``git rev-list`` takes them) name, each after its parents.

    Raises RollstepError for unknown revisions and where a shallow clone cuts off a parent.
    """
    listing = repository.run("rev-list", "--topo-order", "--reverse", "--parents", *revisions, "--").stdout.decode()
    rows = [line.split() for line in listing.splitlines()]
    _check_parents(repository, [row[0] for row in rows])
    return Changes(repository, objects, rows)


def is_unpushed(repository: Repository, revisions: Sequence[str]) -> bool:
    """Return whether ``revisions`` leave out a branch of a remote, so that no commit of theirs has reached it."""
    named = repository.run("rev-parse", "--symbolic-full-name", *revisions, "--", check=False).stdout.decode()
    return any(line.startswith("^refs/remotes/") for line in named.splitlines())


def changed_files(objects: ObjectCache, before: str, after: str) -> dict[str, FileChange]:
    """Return the files in which two commits or trees differ by path; an empty hash has none.

    Only folders that differ are read.  Raises RollstepError for more than 100,000 files: some bytes of objects can name
    millions.
    """
    found: dict[str, FileChange] = {}
    both = (objects.root_tree(before), objects.root_tree(after))
    pending: list[tuple[str, TreeFile | None, TreeFile | None]] = [("", *both)]
    size = 0
    while pending:
        path, old, new = pending.pop()
        if old == new:
            continue
        folders = [item if item is not None and item.mode == FOLDER else None for item in (old, new)]
        if any(folders):
            prefix = f"{path}/" if path else ""
            first, second = (objects.tree(folder.sha) if folder else {} for folder in folders)
            pending += [(f"{prefix}{name}", first.get(name), second.get(name)) for name in first.keys() | second.keys()]
        files = [item if item is not None and item.mode != FOLDER else None for item in (old, new)]
        if any(files):
            one, other = files
            found[path] = FileChange(one.sha if one else "", other.sha if other else "", other.mode if other else "")
            size += len(path)
        if len(found) > _MOST_FILES or len(pending) > _MOST_FILES or size > _MOST_CHARACTERS:
            message = f"{after[:9]} changes more than {_MOST_FILES:,} files"
            raise RollstepError(message, hint="bring them in several commits")
    return found


def _check_parents(repository: Repository, shas: Sequence[str]) -> None:
    shallow = repository.run("rev-parse", "--git-path", "shallow").stdout.decode().strip()
    path = repository.root / shallow
    cut = path.read_text(encoding="ascii").split() if path.is_file() else []
    if missing := set(cut).intersection(shas):
        hint = "git fetch --unshallow (in a pipeline: a checkout with the whole history, fetch-depth: 0)"
        raise RollstepError(f"the clone is shallow: it has no parent of {min(missing)[:9]}", hint=hint)
