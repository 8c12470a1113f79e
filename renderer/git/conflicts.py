"""Conflicts in the index: the sides of each file, and the operation and the commits that they come from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from renderer.git.objects import TreeFile, tip
from renderer.git.repository import Repository

BASE, OURS, THEIRS = 1, 2, 3
"""The stages of a file in the index: its common base, and the two sides."""


class Operation(Struct, frozen=True):
    """A git operation that stopped at a conflict.

    ``ours`` and ``theirs`` say what git means by these words in it.  ``commits`` are those that may be theirs.
    ``is_merge`` is true if its commit has both sides as parents.  ``how`` ends it.
    """

    name: str
    ours: str
    theirs: str
    how: str
    commits: Sequence[str]
    is_merge: bool = False


def operation(repository: Repository) -> Operation:
    """Return the operation that left the conflicts; one that left no trace is taken for a stash."""
    merged = _heads(repository, "MERGE_HEAD")
    if any((repository.git_dir / name).exists() for name in ("rebase-merge", "rebase-apply")):
        own = "the commit of yours that moves"
        heads = [*merged, *_heads(repository, "REBASE_HEAD")]
        return Operation("rebase", "the branch that you rebase onto", own, "git rebase --continue", heads)
    here = "the branch that you are on"
    if merged:
        return Operation("merge", here, "the branch that you merge", "git commit", merged, is_merge=True)
    if picked := _heads(repository, "CHERRY_PICK_HEAD"):
        return Operation("cherry-pick", here, "the commit that you pick", "git cherry-pick --continue", picked)
    if reverted := _heads(repository, "REVERT_HEAD"):
        before = [f"{commit}^1" for commit in reverted]
        return Operation("revert", here, "the state before the reverted commit", "git revert --continue", before)
    stashed = repository.run("rev-list", "--walk-reflogs", "refs/stash", check=False).stdout.decode().split()
    return Operation("stash", here, "the stash", "git commit, and git stash drop", stashed)


def conflicts(repository: Repository) -> dict[str, dict[int, TreeFile]]:
    """Return the stages of every file with a conflict, by path; a side without the file has no stage."""
    found: dict[str, dict[int, TreeFile]] = {}
    for row in repository.run("ls-files", "-z", "--unmerged").stdout.split(b"\0")[:-1]:
        # "<mode> <name> <stage>\t<path>"
        head, path = row.split(b"\t", 1)
        mode, sha, stage = head.decode().split()
        found.setdefault(os.fsdecode(path), {})[int(stage)] = TreeFile(mode, sha)
    return dict(sorted(found.items()))


def commit_of_side(
    stages: Mapping[str, Mapping[int, TreeFile]],
    side: int,
    candidates: Sequence[str],
    trees: Mapping[str, Mapping[str, TreeFile]],
) -> str:
    """Return the one of ``candidates`` that has most of the files of a side; the first of several, empty for none.

    ``trees`` has the files of each candidate.
    """
    best, most = "", 0
    for commit in candidates:
        same = sum(trees[commit].get(path) == found.get(side) for path, found in stages.items())
        if same > most:
            best, most = commit, same
    return best


def _heads(repository: Repository, name: str) -> list[str]:
    """Return the commits in a file of git's folder, which may have several; none for a missing file."""
    with suppress(OSError, UnicodeDecodeError):
        lines = (repository.git_dir / name).read_text(encoding="ascii").split()
        return [found for line in lines if (found := tip(repository, line))]
    return []
