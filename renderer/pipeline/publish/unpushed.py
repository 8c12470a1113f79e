"""Commits that a branch has and its remote lacks: steps that nobody else has, and commits that the remote took back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import tip
from renderer.git.reflog import reflog
from renderer.git.repository import Commit, Repository
from renderer.pipeline.commit.trailers import VERB
from renderer.pipeline.load.discover import AppRef

_REPEATABLE = ("promote", "promote --skip-current-step", "restart", "undo")
"""Verbs that do more if they are repeated."""


_NOT_FORWARD = ("abort", "analyze", "migrate", "pause", "render", "resume", "scale", "undo")
"""Verbs after which a release is not further than before."""


class UnpushedStep(Struct, frozen=True):
    """The newest commit of an app's release that the remote lacks, and the verb in its trailers, empty without one."""

    sha: str
    subject: str
    verb: str

    @property
    def goes_forward(self) -> bool:
        """True if its verb brings a release forward, and without a verb."""
        return self.verb not in _NOT_FORWARD

    def ends(self, verb: str) -> bool:
        """Return whether a run of ``verb`` has done its work when it has pushed this commit.

        An ``advance`` waits until the commit is live; any other verb would be done twice.
        """
        return verb.startswith("advance") or (verb in _REPEATABLE and verb == self.verb)


def unpushed_steps(
    repository: Repository, branch: str, remote: str, status_files: Mapping[str, AppRef]
) -> dict[AppRef, UnpushedStep]:
    """Return the apps whose status a local ``branch`` has changed in commits that no branch of the remote has.

    ``status_files`` are the files of the apps' status by path.  If the remote has the branch, that branch counts alone.
    """
    here, there = f"refs/heads/{branch}", f"refs/remotes/{remote}/{branch}"
    known = [there] if tip(repository, there) else _branches_of(repository, remote)
    if not known or not tip(repository, here):
        return {}
    found: dict[AppRef, UnpushedStep] = {}
    with closing(repository.file_changes(list(status_files), VERB, here, known)) as changes:
        for change in changes:
            for path in change.files.keys() & status_files.keys():
                step = UnpushedStep(change.sha, change.subject, change.trailer)
                found.setdefault(status_files[path], step)
    return found


def taken_back(repository: Repository, branch: str, remote: str) -> tuple[Commit, ...]:
    """Return the commits of a local ``branch`` that the remote's branch had once and lacks now, newest first.

    The reflog of the remote-tracking branch knows what the remote's branch had.
    """
    here, there = f"refs/heads/{branch}", f"refs/remotes/{remote}/{branch}"
    if not tip(repository, here) or not tip(repository, there):
        return ()
    ahead = _commits(repository, here, there)
    known = {entry.sha for entry in reflog(repository, there)} if ahead else set()
    if not known:
        return ()
    own = set(_commits(repository, here, there, *sorted(known)))
    return repository.commits([sha for sha in ahead if sha not in own])


def check_taken_back(repository: Repository, branches: Sequence[str], remote: str, source_branch: str) -> None:
    """Raise RollstepError if a push of ``branches`` would bring back commits that the remote has taken back.

    ``source_branch`` is the branch with the sources; the others are branches of environments.
    """
    findings = []
    for branch in branches:
        if commits := taken_back(repository, branch, remote):
            hint = _way_out(repository, branch, remote, commits, source_branch)
            shown = ", ".join(f"{commit.sha[:9]} ({commit.subject})" for commit in commits[:5])
            more = f" and {len(commits) - 5} more" if len(commits) > 5 else ""
            message = f"{remote}/{branch} was rewound and lacks {shown}{more}: a push would bring that back"
            findings.append(Finding(branch, 0, 0, "", message, hint))
    if findings:
        raise RollstepError(findings)


def _way_out(repository: Repository, branch: str, remote: str, commits: Sequence[Commit], source_branch: str) -> str:
    there = f"{remote}/{branch}"
    back = f"git push {remote} {branch}"
    if branch != source_branch:
        return f"take the step back on {source_branch}, too, and run {back}, or bring it back: {back}"
    newest = commits[0].sha
    own = tip(repository, f"refs/heads/{branch}") != newest
    leave = f"git rebase --onto {there} {newest[:9]} {branch}" if own else f"git reset --keep {there}"
    return f"leave it here, too: {leave}, or bring it back: {back}"


def _branches_of(repository: Repository, remote: str) -> list[str]:
    listed = repository.run("for-each-ref", "--format=%(refname)", f"refs/remotes/{remote}/").stdout.decode()
    return listed.split()


def _commits(repository: Repository, include: str, *exclude: str) -> list[str]:
    stdin = "".join(f"{name}\n" for name in (include, *(f"^{name}" for name in exclude))).encode()
    return repository.run("rev-list", "--stdin", stdin=stdin).stdout.decode().split()
