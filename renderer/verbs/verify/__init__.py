"""``rollstep verify``: check that every commit of a range is what a verb renders from its parent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.git.repository import Repository
from renderer.verbs import progress
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.verify.commits import Change, Changes, list_changes
from renderer.verbs.verify.environment_branch import EnvironmentBranchVerifier
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.pre_receive import GuardedUpdate
from renderer.verbs.verify.rules import read_rules
from renderer.verbs.verify.verdict import CommitVerdict
from renderer.verbs.verify.verifier import Verifier

__all__ = ["verify_commits"]


def verify_commits(
    repository: Repository,
    revisions: Sequence[str],
    *,
    received: datetime | None = None,
    approvals: Approvals | None = None,
    now: datetime | None = None,
    update: GuardedUpdate | None = None,
    is_push: bool = False,
    asks_again: bool = False,
) -> list[CommitVerdict]:
    """Return the verdict on each commit that ``revisions`` (as ``git rev-list`` takes them) name, oldest first.

    Reads git's objects only.  An app whose command may not run is checked in part.  ``received`` is the time of a push
    on its server, and ``now`` the time of any other run: no release can have moved later.  ``approvals`` defaults to
    signatures and tags.  ``update`` is the branch update of a push, and ``is_push`` says of any other range that its
    commits come to their branch together.  ``asks_again`` asks the providers of metrics for the moments that the
    commits have measured.

    Raises RollstepError for unknown revisions and for a shallow history.
    """
    with Loader(repository) as loader:
        branch = None if update is None else update.branch
        rules = read_rules(repository)
        verifier = Verifier(loader, received, approvals, rules, now, is_push=is_push, branch=branch)
        branches = EnvironmentBranchVerifier(loader, update)
        changes = list_changes(repository, loader.objects, revisions)
        roots = _late_roots(changes, is_continued=update is not None and update.is_continued)

        def verify(change: Change) -> CommitVerdict:
            judge = branches if branches.is_environment_branch(change) else verifier
            verdict = judge.verify(change)
            if change.commit.sha in roots:
                message = "begins another history, without the rules of this one"
                second = Finding("", 0, 0, "", message, "git rebase it onto the branch")
                verdict = replace(verdict, findings=(second, *verdict.findings))
            if asks_again and judge is verifier:
                verdict = replace(verdict, findings=(*verdict.findings, *_asked_again(loader, change)))
            return verdict

        return [verify(change) for change in progress.over(changes, "verifying commit")]


def _asked_again(loader: Loader, change: Change) -> tuple[Finding, ...]:
    # Loads the providers, which a verification without the network does not need.
    from renderer.verbs.verify.requery import requery

    try:
        return tuple(requery(loader, change))
    except RollstepError as error:
        return error.findings


def _late_roots(changes: Changes, *, is_continued: bool) -> set[str]:
    """Return the root commits that do not begin the history of the last commit's first parents.

    A branch that ``is_continued`` has begun already.
    """
    parents = {sha: found for sha, *found in changes.rows}
    roots = {sha for sha, found in parents.items() if not found}
    sha = changes.rows[-1][0] if changes.rows else ""
    while parents.get(sha):
        sha = parents[sha][0]
    return roots if is_continued else roots - {sha}
