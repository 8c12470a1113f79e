"""Every commit of a branch against what rollstep would have made of the commit before (shell)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from renderer.errors import Finding
from renderer.git.repository import Repository
from renderer.verbs import progress
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.verify.commits import walk
from renderer.verbs.verify.environment_branch import RenderedBranches
from renderer.verbs.verify.judge import Judge
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.policy import APPROVALS
from renderer.verbs.verify.verdict import CommitVerdict, Verdict

__all__ = ["Approvals", "CommitVerdict", "Verdict", "missing_approvals", "verify_commits"]


def verify_commits(
    repository: Repository,
    revisions: Sequence[str],
    *,
    received: datetime | None = None,
    approvals: Approvals | None = None,
    trusted: Sequence[str] | None = None,
) -> list[CommitVerdict]:
    """Return what was found about the commits that ``revisions`` (as ``git rev-list`` takes them) name, oldest first.

    Reads git's objects alone; what needs a program is judged in part where that may not run.
    ``received`` is when a server gets the commits: no release can have moved later.  ``approvals`` are those that are
    known besides signatures and tags, ``trusted`` the commits that guarded branches are at, where there are such: what
    an environment's branch is rendered from has to be in their history.

    Raises RollstepError where git does not know the revisions or the history is not whole.
    """
    with Loader(repository) as loader:
        judge, rendered = Judge(loader, received, approvals), RenderedBranches(loader, trusted)
        return [
            rendered.judge(change) if rendered.is_rendered(change) else judge.judge(change)
            for change in progress.over(walk(repository, revisions), "judging commit")
        ]


def missing_approvals(repository: Repository, environment: str, app: str, status_file: Path) -> tuple[Finding, ...]:
    """Return which approvals are missing of the commit that made an app's status what it is in HEAD."""
    commits = repository.log(status_file, max_count=1)
    if not commits:
        return ()
    (verdict,) = verify_commits(repository, ["--no-walk", commits[0].sha])
    return tuple(
        finding
        for one in verdict.apps
        for finding in one.findings
        if (one.environment, one.app) == (environment, app) and finding.field == APPROVALS
    )
