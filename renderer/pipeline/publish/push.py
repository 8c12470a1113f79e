"""Pushes commits and their notes to the remote, never with force.

One atomic push moves all branches or none.  Notes follow, merged with the remote's notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from renderer.errors import Finding, RollstepError
from renderer.git.commit import Identity, environment_of
from renderer.git.forges.settings import ForgeSettings
from renderer.git.objects import is_ancestor, tip
from renderer.git.remote import remote_url, run_remote
from renderer.git.repository import Repository
from renderer.pipeline.publish.environment_branches import METADATA_NOTES, SOURCE_NOTES
from renderer.pipeline.publish.retry import TRIES, BranchTips, pause
from renderer.pipeline.publish.unpushed import check_taken_back

T = TypeVar("T")

NOTES = {METADATA_NOTES: "ours", SOURCE_NOTES: "union"}
"""The refs of the pushed notes, and git's strategy for two notes of one commit."""


class RacedError(RollstepError):
    """Somebody else pushed to the branch first."""


class Pushed(NamedTuple):
    """A line of ``git push --porcelain``; ``flag`` is ``=`` for an unchanged ref and ``!`` for a refused one."""

    flag: str
    ref: str
    summary: str


class Pusher:
    """The remote of a repository, for fetches and pushes of HEAD's branch."""

    def __init__(self, repository: Repository, forge: ForgeSettings, note: Callable[[str], object]) -> None:
        """Take where each push is reported; raise RollstepError for a missing remote or a detached HEAD."""
        self.repository = repository
        self.note = note
        self.remote = forge.remote
        self.environment: Mapping[str, str] = _access(repository, forge)
        branch = repository.head.branch
        if branch is None:
            raise RollstepError("HEAD is detached: there is no branch to push", hint="git switch BRANCH")
        self.branch = branch

    def fetch(self, branches: Sequence[str], since: str | None) -> str | None:
        """Fetch HEAD's branch and ``branches``, and return the remote's tip of HEAD's branch.

        Returns None if HEAD contains that tip.  ``since`` is the parent of the local commits that may be discarded.
        Raises RollstepError if the remote cannot be reached, lacks other local commits, or has taken some of them back.
        """
        listed = run_remote(self.repository, "ls-remote", "--heads", self.remote, environment=self.environment)
        remote_branches = {
            line.partition("\t")[2].removeprefix("refs/heads/") for line in listed.stdout.decode().splitlines()
        }
        wanted = [branch for branch in (self.branch, *branches) if branch in remote_branches]
        if wanted:
            specs = [f"+refs/heads/{branch}:refs/remotes/{self.remote}/{branch}" for branch in wanted]
            run_remote(self.repository, "fetch", "--quiet", self.remote, *specs, environment=self.environment)
        self.check_taken_back(branches)
        theirs, head = tip(self.repository, f"refs/remotes/{self.remote}/{self.branch}"), self.repository.head.sha
        if self.branch not in remote_branches or not theirs or not head or is_ancestor(self.repository, theirs, head):
            return None
        if since is None or not is_ancestor(self.repository, since, theirs):
            place = f"{self.remote}/{self.branch}"
            message = f"{place} has commits that are not here, and {self.branch} has commits that the remote has not"
            hint = f"git pull --rebase {self.remote}, and run the command again"
            raise RollstepError([Finding(self.branch, 0, 0, "", message, hint)])
        return theirs

    def check_taken_back(self, branches: Sequence[str] = ()) -> None:
        """Raise RollstepError if a push would bring back commits that the remote's branches have taken back."""
        check_taken_back(self.repository, (self.branch, *branches), self.remote, self.branch)

    def push(self, branches: Sequence[str] = ()) -> list[Pushed]:
        """Push HEAD's branch and the existing ones of ``branches``, then the notes; return a row for each ref.

        Prints the moved branches on stderr.  Raises RollstepError with the remote's refusal; after a refusal of
        branches, no ref of the remote has moved.
        """
        existing = [branch for branch in (self.branch, *branches) if tip(self.repository, f"refs/heads/{branch}")]
        specs = [f"refs/heads/{name}:refs/heads/{name}" for name in existing]
        pushed = push_refs(self.repository, self.remote, specs, self.environment)
        for name, strategy in NOTES.items():
            if tip(self.repository, f"refs/notes/{name}"):
                pushed += self._push_notes(name, strategy)
        for row in pushed:
            if row.flag != "=" and row.ref.startswith("refs/heads/"):
                self.note(f"pushed {row.ref.removeprefix('refs/heads/')} to {self.remote}")
        return pushed

    def note_reset(self, theirs: str) -> None:
        """Report that the branch is at the remote's commit ``theirs`` now."""
        self.note(f"the remote has gone on: now at {theirs[:9]}")

    def _push_notes(self, name: str, strategy: str) -> list[Pushed]:
        ref, fetched = f"refs/notes/{name}", f"refs/notes/fetched/{self.remote}/{name}"
        for attempt in range(TRIES):
            fetch = ("fetch", "--quiet", self.remote, f"+{ref}:{fetched}")
            run_remote(self.repository, *fetch, environment=self.environment, check=False)
            if tip(self.repository, fetched):
                merge = ("notes", f"--ref={name}", "merge", "--quiet", f"--strategy={strategy}", fetched)
                self.repository.run(*merge, env=_people(self.repository), writes=True)
            try:
                return push_refs(self.repository, self.remote, [f"{ref}:{ref}"], self.environment)
            except RacedError:
                if attempt == TRIES - 1:
                    raise
                pause(attempt)
        raise AssertionError("the last try returns or raises")


def push_on_top(
    pusher: Pusher,
    start: BranchTips,
    branches: Sequence[str],
    attempts: Iterator[int],
    *,
    keep: bool = False,
    update: Callable[[], object] = lambda: None,
) -> str | None:
    """Push the commits since ``start``; return None, or the remote's tip if somebody else pushed first.

    In that case all branches are reset to the remote's, and the caller repeats its work there.  If somebody else moved
    one of ``branches`` alone, ``update`` renders them again.  Raises RollstepError if that is impossible, if the remote
    refuses the push, and if somebody else was first at the last of ``attempts``.  With ``keep``, for commits with the
    user's own edits, the first such time raises.
    """
    while True:
        try:
            pusher.push(branches)
            return None
        except RacedError:
            attempt = next(attempts)
            if attempt == TRIES - 1 or keep:
                raise
            pause(attempt)
            theirs = pusher.fetch(branches, start.head)
            if theirs:
                start.reset_to(pusher.repository, theirs)
                return theirs
            update()


def make_on_top(pusher: Pusher, read: Callable[[], None], make: Callable[[], T]) -> T:
    """Push the commit of ``make`` and return its result; if others push first, ``read`` and ``make`` run again."""
    start = BranchTips.read(pusher.repository, ())
    theirs = pusher.fetch((), start.head)
    if theirs:
        start.reset_to(pusher.repository, theirs)
    attempts = iter(range(TRIES))
    while True:
        if theirs:
            pusher.note_reset(theirs)
            read()
        start = BranchTips.read(pusher.repository, ())
        result = make()
        theirs = push_on_top(pusher, start, (), attempts)
        if theirs is None:
            return result


def push_tag(repository: Repository, forge: ForgeSettings, tag: str, note: Callable[[str], object]) -> None:
    """Push the full ref name ``tag`` and report that; raise RollstepError with the remote's refusal."""
    try:
        push_refs(repository, forge.remote, [f"{tag}:{tag}"], _access(repository, forge))
    except RacedError as error:
        message = f"{forge.remote} has another tag of that name"
        hint = f"look at it: git ls-remote {forge.remote} {tag}"
        raise RollstepError([Finding(tag, 0, 0, "", message, hint)]) from error
    note(f"pushed {tag} to {forge.remote}")


def _access(repository: Repository, forge: ForgeSettings) -> Mapping[str, str]:
    if not remote_url(repository, forge.remote):
        hint = f"git remote add {forge.remote} URL, or name another one in rollstep.yaml: forge.remote"
        raise RollstepError(f"there is no remote {forge.remote} to push to", hint=hint)
    from renderer.git.forges.site import git_environment

    return git_environment(repository, forge)


def push_refs(
    repository: Repository, remote: str, specs: Sequence[str], environment: Mapping[str, str], *options: str
) -> list[Pushed]:
    """Push ``specs`` atomically and return a row for each; raise RollstepError with the remote's refusal."""
    push = ("push", "--porcelain", "--atomic", *options, remote, *specs)
    done = run_remote(repository, *push, environment=environment, check=False)
    lines = (line.split("\t", 2) for line in done.stdout.decode(errors="replace").splitlines())
    rows = [Pushed(line[0], line[1].partition(":")[2], line[2]) for line in lines if len(line) == 3]
    if done.status:
        refused = [row for row in rows if row.flag == "!" and "atomic push failed" not in row.summary]
        said = " / ".join(line for line in done.stderr.splitlines() if line.startswith(("remote:", "fatal:")))
        if refused:
            kind = RacedError if all(_is_raced(row, said) for row in refused) else RollstepError
            raise kind(_refusal(row, remote, said) for row in refused)
        hint = "see that the remote can be reached, and that you may write there"
        raise RollstepError(f"git push failed: {said or done.stderr or f'exit status {done.status}'}", hint=hint)
    return rows


def _is_raced(row: Pushed, said: str) -> bool:
    """Return whether the remote's branch has moved since the fetch (``git push``, git 2.39).

    Of two simultaneous pushes, the server refuses one only when it locks the branch.
    """
    if "hook declined" in row.summary:
        return False
    late = ("failed to update ref", "cannot lock ref", "incorrect old value", "reference already exists")
    return "[rejected]" in row.summary or any(words in f"{row.summary} {said}" for words in late)


def _refusal(row: Pushed, remote: str, said: str) -> Finding:
    hint = f"what {remote} says is its own rule: push to a branch that it allows, or use a pull request"
    if _is_raced(row, said):
        hint = f"somebody else has pushed: git pull --rebase {remote}, and run the command again"
    message = f"{remote} refused the push: {row.summary}" + (f": {said}" if said else "")
    return Finding(row.ref.removeprefix("refs/heads/"), 0, 0, "", message, hint)


def _people(repository: Repository) -> dict[str, str]:
    shown = repository.run("show", "-s", "--no-show-signature", "--format=%cn%x00%ce", "HEAD").stdout.decode()
    person = Identity(*shown.rstrip("\n").split("\0"))
    return environment_of(person, person)
