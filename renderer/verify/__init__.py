"""Every commit of a branch against what rollstep would have made of the commit before (shell)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from renderer.git import Repository
from renderer.verify.judge import Judge
from renderer.verify.loading import Loader
from renderer.verify.verdict import CommitVerdict, Verdict
from renderer.verify.walk import walk

__all__ = ["CommitVerdict", "Verdict", "verify_commits"]


def verify_commits(
    repository: Repository, revisions: Sequence[str], *, allow_exec: bool = False, received: datetime | None = None
) -> list[CommitVerdict]:
    """Return what was found about the commits that ``revisions`` (as ``git rev-list`` takes them) name, oldest first.

    Reads git's objects alone.  ``allow_exec`` lets the commands run that the manifests of some apps come from;
    ``received`` is when a server gets the commits: no release can have moved later.
    Raises RollstepError where git does not know the revisions or the history is not whole.
    """
    with Loader(repository, allow_exec=allow_exec) as loader:
        judge = Judge(loader, received)
        return [judge.judge(change) for change in walk(repository, revisions)]
