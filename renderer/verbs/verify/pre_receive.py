"""The branch updates of a push, as git's ``pre-receive`` hook gets them.

Git writes a line ``OLD NEW REF`` for each ref to the hook's standard input, and keeps the objects of the push in
quarantine until the hook has exited with 0 (``GIT_QUARANTINE_PATH``).  The git that is run here finds them by the
inherited environment.  See ``githooks(5)`` and ``git-receive-pack(1)`` of git 2.39.
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
    """A ref that a push changes: full hashes before and after, empty for a new and for a deleted ref."""

    old: str
    new: str
    ref: str


def read_updates(lines: Iterable[str]) -> list[RefUpdate]:
    """Return the updates in the lines of the hook's standard input; raise UsageError for any other line."""
    updates = []
    for line in lines:
        words = line.rstrip("\n").split(" ", 2)
        if len(words) != 3 or any(len(name) < 40 or name.strip("0123456789abcdef") for name in words[:2]):
            hint = "--pre-receive is for git's pre-receive hook"
            raise UsageError("expected lines `OLD NEW REF` on standard input", hint=hint)
        old, new = ("" if not name.strip("0") else name for name in words[:2])
        updates.append(RefUpdate(old, new, words[2]))
    return updates


def guarded_updates(repository: Repository, updates: Iterable[RefUpdate], patterns: Sequence[str]) -> list[RefUpdate]:
    """Return the updates of branches that match one of ``patterns``; without any, of HEAD's branch."""
    names = patterns or [repository.head.branch or ""]
    return [
        update
        for update in updates
        if update.ref.startswith(_BRANCH)
        and any(fnmatchcase(update.ref.removeprefix(_BRANCH), pattern) for pattern in names)
    ]


def lost_history(repository: Repository, update: RefUpdate) -> Finding | None:
    """Return the refusal of an update that removes commits from its branch; None for any other update."""
    branch = update.ref.removeprefix(_BRANCH)
    if not update.new:
        return Finding("", 0, 0, branch, "would be deleted with the state of its releases")
    if update.old and not is_ancestor(repository, update.old, update.new):
        message = f"would be rewritten: the pushed history lacks {update.old[:9]}"
        return Finding("", 0, 0, branch, message, "git pull --rebase; undo a step with git revert")
    return None


def new_revisions(repository: Repository, update: RefUpdate, patterns: Sequence[str]) -> list[str]:
    """Return the revisions, as ``git rev-list`` takes them, that an update adds to its branch."""
    if update.old:
        return [update.new, f"^{update.old}"]
    # The commits of other than guarded branches are not verified yet.
    return [update.new, *(f"^{branch.new}" for branch in _guarded_branches(repository, patterns))]


def guarded_tips(repository: Repository, updates: Iterable[RefUpdate], patterns: Sequence[str]) -> list[str]:
    """Return the tips of the guarded branches after the push."""
    tips = {branch.ref: branch.new for branch in _guarded_branches(repository, patterns)}
    tips |= {update.ref: update.new for update in guarded_updates(repository, updates, patterns)}
    return sorted({tip for tip in tips.values() if tip})


def _guarded_branches(repository: Repository, patterns: Sequence[str]) -> list[RefUpdate]:
    listing = repository.run("for-each-ref", "--format=%(objectname) %(refname)", _BRANCH).stdout.decode()
    known = [RefUpdate("", *line.split(" ", 1)) for line in listing.splitlines()]
    return guarded_updates(repository, known, patterns)


def pushed_tags(updates: Iterable[RefUpdate], prefix: str) -> list[str]:
    """Return the objects of the pushed tags below ``prefix``."""
    return [update.new for update in updates if update.new and update.ref.startswith(prefix)]
