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
from renderer.git.objects import is_ancestor, tip
from renderer.git.repository import Repository
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.rules import ServerRules

_BRANCH = "refs/heads/"


class RefUpdate(Struct, frozen=True):
    """A ref that a push changes: full hashes before and after, empty for a new and for a deleted ref."""

    old: str
    new: str
    ref: str


class GuardedUpdate(Struct, frozen=True):
    """A guarded branch in a push: ``sources`` are the tips of the branches that an environment's is rendered from.

    ``is_environment`` says that the settings before the push make it the branch of an environment, ``is_continued``
    that it is not new.
    """

    branch: str
    sources: tuple[str, ...]
    is_environment: bool
    is_continued: bool


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
    if update.old and update.old not in first_parents(repository, update.new):
        message = f"would be replaced: {update.old[:9]} is merged into another history, and not on its first parents"
        return Finding("", 0, 0, branch, message, "git pull --rebase, or merge on the branch itself")
    return None


def first_parents(repository: Repository, sha: str) -> frozenset[str]:
    """Return the commits of a branch: its tip and the first parents."""
    return frozenset(repository.run("rev-list", "--first-parent", sha).stdout.decode().split())


def new_revisions(repository: Repository, update: RefUpdate, patterns: Sequence[str]) -> list[str]:
    """Return the revisions, as ``git rev-list`` takes them, that an update adds to its branch."""
    if update.old:
        return [update.new, f"^{update.old}"]
    # The commits of other than guarded branches are not verified yet.
    return [update.new, *(f"^{branch.new}" for branch in _guarded_branches(repository, patterns))]


class Guard:
    """The knowledge of the server about its branches before a push: no commit of the push says what guards it."""

    def __init__(
        self, loader: Loader, updates: Sequence[RefUpdate], patterns: Sequence[str], rules: ServerRules
    ) -> None:
        """``patterns`` are those of the guarded branches."""
        repository = loader.repository
        default = repository.head.branch or ""
        known = {update.ref: update.new for update in _guarded_branches(repository, patterns)}
        pushed = {update.ref: update.new for update in guarded_updates(repository, updates, patterns)}
        place = f"{_BRANCH}{default}"
        commit = tip(repository, place) or pushed.get(place, "")
        settings = loader.settings(commit)
        apps = {*loader.apps(commit, settings), *((environment, "") for environment in settings.environments)}
        commits = [settings.for_app(*name).commit for name in sorted(apps)]
        sources = rules.source_branches or (default, *filter(None, (own.source_branch for own in commits)))
        self._environments = {own.environment_branch for own in commits} - {None}
        self._patterns = patterns
        self._source_names = frozenset(sources)
        tips = known | pushed
        self._sources = {name: found for name in sources if (found := tips.get(f"{_BRANCH}{name}"))}

    def update(self, update: RefUpdate) -> GuardedUpdate:
        """Return a guarded update with what is known about its branch."""
        branch = update.ref.removeprefix(_BRANCH)
        sources = tuple(sorted({found for name, found in self._sources.items() if name != branch}))
        return GuardedUpdate(branch, sources, branch in self._environments, is_continued=bool(update.old))

    def stray(self, update: RefUpdate) -> Finding | None:
        """Return the refusal of a new branch named as those of environments, of which no environment has it.

        That is a branch whose patterns guard the branches of environments, and not the branch of the sources.
        """
        branch = update.ref.removeprefix(_BRANCH)
        if update.old or not update.new or branch in self._environments | self._source_names:
            return None
        mine = [pattern for pattern in self._patterns if fnmatchcase(branch, pattern)]
        named = {pattern for pattern in mine for name in self._environments if fnmatchcase(str(name), pattern)}
        sources = {pattern for pattern in mine for name in self._source_names if fnmatchcase(name, pattern)}
        if not named or sources:
            return None
        known = ", ".join(sorted(map(str, self._environments)))
        message = f"is the branch of no environment (those are {known})"
        hint = "push sources to a branch of another name, or first the setting commit.environmentBranch"
        return Finding("", 0, 0, branch, message, hint)


def _guarded_branches(repository: Repository, patterns: Sequence[str]) -> list[RefUpdate]:
    listing = repository.run("for-each-ref", "--format=%(objectname) %(refname)", _BRANCH).stdout.decode()
    known = [RefUpdate("", *line.split(" ", 1)) for line in listing.splitlines()]
    return guarded_updates(repository, known, patterns)


def pushed_tags(updates: Iterable[RefUpdate], prefix: str) -> dict[str, str]:
    """Return the objects of the pushed tags below ``prefix`` by the full names of their refs."""
    return {update.ref: update.new for update in updates if update.new and update.ref.startswith(prefix)}
