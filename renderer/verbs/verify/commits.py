"""The commits of a range, oldest first, with their parents and their changes against the first parent."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct, field

from renderer.errors import RollstepError
from renderer.git.repository import Commit, Repository


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


def list_changes(repository: Repository, revisions: Sequence[str]) -> list[Change]:
    """Return the commits that ``revisions`` (as ``git rev-list`` takes them) name, each after its parents.

    Raises RollstepError for unknown revisions and where a shallow clone cuts off a parent.
    """
    listing = repository.run("rev-list", "--topo-order", "--reverse", "--parents", *revisions, "--").stdout.decode()
    rows = [line.split() for line in listing.splitlines()]
    _check_parents(repository, [row[0] for row in rows])
    if not rows:
        return []
    commits = repository.commits([row[0] for row in rows])
    files = _changed_files(repository, rows)
    return [Change(commit, tuple(row[1:]), files.get(row[0], {})) for row, commit in zip(rows, commits, strict=True)]


def _check_parents(repository: Repository, shas: Sequence[str]) -> None:
    shallow = repository.run("rev-parse", "--git-path", "shallow").stdout.decode().strip()
    path = repository.root / shallow
    cut = path.read_text(encoding="ascii").split() if path.is_file() else []
    if missing := set(cut).intersection(shas):
        hint = "git fetch --unshallow (in a pipeline: a checkout with the whole history, fetch-depth: 0)"
        raise RollstepError(f"the clone is shallow: it has no parent of {min(missing)[:9]}", hint=hint)


def _changed_files(repository: Repository, rows: Sequence[Sequence[str]]) -> dict[str, dict[str, FileChange]]:
    """Return each commit's changes against its first parent, by commit and path."""
    stdin = "".join(" ".join(row[:2]) + "\n" for row in rows).encode()
    args = ("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--root", "--no-abbrev")
    tokens = iter(repository.run(*args, stdin=stdin).stdout.split(b"\0"))
    found: dict[str, dict[str, FileChange]] = {}
    current: dict[str, FileChange] = {}
    for token in tokens:
        if token.startswith(b":"):
            _, mode, before, after, _ = token.decode().split()
            old, new = ("" if not name.strip("0") else name for name in (before, after))
            current[os.fsdecode(next(tokens))] = FileChange(old, new, mode)
        elif token:
            current = found.setdefault(token.decode().strip(), {})
    return found
