"""The commits of a range, oldest first, with their parents and what each changes against its first parent."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct, field

from renderer.errors import RollstepError
from renderer.git.repository import Commit, Repository


class FileChange(Struct, frozen=True):
    """The objects that a path named before and after a commit, empty where there was no file, and its mode after."""

    before: str
    after: str
    mode: str


class Change(Struct, frozen=True):
    """A commit with its parents (none for the first one) and the files that differ from its first parent."""

    commit: Commit
    parents: tuple[str, ...]
    files: dict[str, FileChange] = field(default_factory=dict)

    @property
    def parent(self) -> str:
        """The first parent's hash; empty where there is none."""
        return self.parents[0] if self.parents else ""

    @property
    def is_merge(self) -> bool:
        """Whether other histories come in."""
        return len(self.parents) > 1


def walk(repository: Repository, revisions: Sequence[str]) -> list[Change]:
    """Return the commits that ``revisions`` (as ``git rev-list`` takes them) name, each after its parents.

    Raises RollstepError where git does not know them, or where the history is cut off below one of them.
    """
    listing = repository.run("rev-list", "--topo-order", "--reverse", "--parents", *revisions, "--").stdout.decode()
    rows = [line.split() for line in listing.splitlines()]
    _check_whole(repository, [row[0] for row in rows])
    if not rows:
        return []
    commits = repository.commits([row[0] for row in rows])
    files = _files(repository, rows)
    return [Change(commit, tuple(row[1:]), files.get(row[0], {})) for row, commit in zip(rows, commits, strict=True)]


def _check_whole(repository: Repository, shas: Sequence[str]) -> None:
    shallow = repository.run("rev-parse", "--git-path", "shallow").stdout.decode().strip()
    path = repository.root / shallow
    cut = set(path.read_text(encoding="ascii").split()) if path.is_file() else set()
    missing = cut & set(shas)
    if missing:
        hint = "git fetch --unshallow (in a pipeline: a checkout with the whole history, fetch-depth: 0)"
        raise RollstepError(f"the clone is shallow: what is before {min(missing)[:9]} is not here", hint=hint)


def _files(repository: Repository, rows: Sequence[Sequence[str]]) -> dict[str, dict[str, FileChange]]:
    """Return what each commit changes against its first parent, by commit and path."""
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
