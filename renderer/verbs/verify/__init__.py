"""``rollstep verify``: check that every commit of a range is what a verb renders from its parent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from renderer.git.repository import Repository
from renderer.verbs import progress
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.verify.commits import list_changes
from renderer.verbs.verify.environment_branch import EnvironmentBranchVerifier
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.verdict import CommitVerdict
from renderer.verbs.verify.verifier import Verifier

__all__ = ["verify_commits"]


def verify_commits(
    repository: Repository,
    revisions: Sequence[str],
    *,
    received: datetime | None = None,
    approvals: Approvals | None = None,
    trusted: Sequence[str] | None = None,
) -> list[CommitVerdict]:
    """Return the verdict on each commit that ``revisions`` (as ``git rev-list`` takes them) name, oldest first.

    Reads git's objects only.  An app whose command may not run is checked in part.  ``received`` is the time of a push
    on its server: no release can have moved later.  ``approvals`` defaults to signatures and tags.  ``trusted`` are the
    tips of guarded branches: the source of an environment's branch has to be in their history.

    Raises RollstepError for unknown revisions and for a shallow history.
    """
    with Loader(repository) as loader:
        verifier, branches = Verifier(loader, received, approvals), EnvironmentBranchVerifier(loader, trusted)
        return [
            branches.verify(change) if branches.is_environment_branch(change) else verifier.verify(change)
            for change in progress.over(list_changes(repository, loader.objects, revisions), "verifying commit")
        ]
