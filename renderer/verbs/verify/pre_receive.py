"""What a push would do to the branches of a repository, asked by git's ``pre-receive`` hook (shell).

Git hands the hook a line ``OLD NEW REF`` for each ref, and keeps the objects of the push apart until the hook has
agreed (``GIT_QUARANTINE_PATH``); the git that is run here finds them by the environment that it inherits.  See
``githooks(5)`` and ``git-receive-pack(1)`` of git 2.39.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from renderer.errors import Finding, UsageError
from renderer.git.objects import is_ancestor
from renderer.git.repository import Repository

_BRANCH = "refs/heads/"


class RefUpdate(Struct, frozen=True):
    """A ref that a push changes: the full hashes before and after, empty where there is none."""

    old: str
    new: str
    ref: str


def read_updates(lines: Iterable[str]) -> list[RefUpdate]:
    """Return what git tells the hook on its standard input; raise UsageError where it is something else."""
    updates = []
    for line in lines:
        words = line.rstrip("\n").split(" ", 2)
        if len(words) != 3 or any(len(name) < 40 or name.strip("0123456789abcdef") for name in words[:2]):
            raise UsageError(
                "expected lines `OLD NEW REF` on standard input", hint="--pre-receive is for git's hook of that name"
            )
        old, new = ("" if not name.strip("0") else name for name in words[:2])
        updates.append(RefUpdate(old, new, words[2]))
    return updates


def guarded(repository: Repository, updates: Iterable[RefUpdate], patterns: Sequence[str]) -> list[RefUpdate]:
    """Return the updates of branches that ``patterns`` name; without any, of the branch that HEAD names."""
    names = patterns or [repository.head.branch or ""]
    return [
        update
        for update in updates
        if update.ref.startswith(_BRANCH)
        and any(fnmatchcase(update.ref.removeprefix(_BRANCH), pattern) for pattern in names)
    ]


def lost_history(repository: Repository, update: RefUpdate) -> Finding | None:
    """Return what is wrong with an update that takes commits away from its branch; None where it only adds some."""
    branch = update.ref.removeprefix(_BRANCH)
    if not update.new:
        return Finding("", 0, 0, branch, "would be deleted, and it holds the state of its releases")
    if update.old and not is_ancestor(repository, update.old, update.new):
        message = f"would be rewritten: {update.old[:9]} is not in what is pushed"
        return Finding("", 0, 0, branch, message, "git pull --rebase, or git revert what is to be taken back")
    return None


def new_commits(repository: Repository, update: RefUpdate, patterns: Sequence[str]) -> list[str]:
    """Return the revisions, as ``git rev-list`` takes them, that an update brings to its branch.

    To a new branch these are the commits that no guarded branch has yet: what others have nobody has looked at.
    """
    if update.old:
        return [update.new, f"^{update.old}"]
    return [update.new, *(f"^{branch.new}" for branch in _there(repository, patterns))]


def trusted_tips(repository: Repository, updates: Iterable[RefUpdate], patterns: Sequence[str]) -> list[str]:
    """Return the commits that the guarded branches are at after the push."""
    tips = {branch.ref: branch.new for branch in _there(repository, patterns)}
    tips |= {update.ref: update.new for update in guarded(repository, updates, patterns)}
    return sorted({tip for tip in tips.values() if tip})


def _there(repository: Repository, patterns: Sequence[str]) -> list[RefUpdate]:
    """Return the guarded branches as they are before the push."""
    listing = repository.run("for-each-ref", "--format=%(objectname) %(refname)", _BRANCH).stdout.decode()
    known = [RefUpdate("", *line.split(" ", 1)) for line in listing.splitlines()]
    return guarded(repository, known, patterns)


def pushed_tags(updates: Iterable[RefUpdate], prefix: str) -> list[str]:
    """Return the objects of the tags below ``prefix`` that the push brings."""
    return [update.new for update in updates if update.new and update.ref.startswith(prefix)]
