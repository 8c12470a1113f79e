"""Two writers of one branch: the second one repeats its work on the commit that the first one pushed.

Rendered files are never merged as text.  The local commits, which nobody else has seen, are discarded, the branch is
reset to the remote's, and the verb runs again.  It leaves out an app that the first writer moved, so that a step that
both wanted happens once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import tip, tree_files
from renderer.git.repository import Repository
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE

TRIES = 60
"""The most pushes of one commit; with the pauses between them they take about a minute."""

_LONGEST_PAUSE = 2.0


class BranchTips(Struct, frozen=True):
    """The commits of HEAD and of other branches before a verb's own commits."""

    head: str | None
    branches: dict[str, str | None]

    @classmethod
    def read(cls, repository: Repository, branches: Iterable[str]) -> BranchTips:
        """Read HEAD and ``branches``, which are the branches of environments."""
        return cls(repository.head.sha, {name: tip(repository, f"refs/heads/{name}") for name in branches})

    def reset_to(self, repository: Repository, theirs: str) -> None:
        """Reset HEAD's branch, the index and the files to ``theirs``, and the other branches to their old commits.

        ``theirs`` has to contain the old HEAD.  Uncommitted changes stay.  Raises RollstepError, and changes nothing,
        if the user has edited a file that ``theirs`` changes.
        """
        repository.run("reset", "--quiet", "--keep", theirs, writes=True)
        for name, was in self.branches.items():
            ref = f"refs/heads/{name}"
            if tip(repository, ref) != was:
                repository.run("update-ref", *((ref, was) if was else ("-d", ref)), writes=True)


def moved_meanwhile(
    repository: Repository, before: str, now: str, refs: Sequence[AppRef], folder: Path
) -> list[AppRef]:
    """Return the ``refs`` in the environments' ``folder`` whose status differs between two commits."""
    files = {ref: repository.relative(folder / ref.environment / ref.name / STATUS_FILE) for ref in refs}
    old, new = (tree_files(repository, commit, *files.values()) for commit in (before, now))
    return [ref for ref, path in files.items() if old.get(path) != new.get(path)]


def refusal(refs: Sequence[AppRef], verb: str) -> RollstepError:
    """Return the error about apps that somebody else moved before ``verb`` could."""
    hint = f"look at it (rollstep get), and do {verb} again if that is still what you want"
    message = "somebody else has moved this release and pushed that meanwhile"
    return RollstepError(Finding(ref.target, 0, 0, "", message, hint) for ref in refs)


def pause(attempt: int) -> None:
    """Sleep for a random time, which grows with the attempts and differs between writers."""
    # Only a race needs it.
    import random

    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2 ** min(attempt, 10))))
