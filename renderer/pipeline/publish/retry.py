"""Two writers and one branch: whoever comes second begins anew on what the first has pushed (shell).

What is rendered is never merged as text: the commits that could not be pushed are thrown away, the branch goes to
where the remote's is, and the verb is done again there.  Nobody else has seen those commits.  An app that the other
writer has moved is left as it is now: a step that two wanted is done once.
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
"""How often a push is tried where others are always quicker; with the pauses between them that is about a minute."""

_LONGEST_PAUSE = 2.0


class Start(Struct, frozen=True):
    """Where the branches were before a verb made its commits."""

    head: str | None
    branches: dict[str, str | None]

    @classmethod
    def of(cls, repository: Repository, branches: Iterable[str]) -> Start:
        """Remember HEAD and ``branches``, the environments' own."""
        return cls(repository.head.sha, {name: tip(repository, f"refs/heads/{name}") for name in branches})

    def back_to(self, repository: Repository, theirs: str) -> None:
        """Take back what was committed since, and bring the branch, the index and the files to ``theirs``.

        ``theirs`` has to have what was there before.  Changes that are not committed stay.  Raises RollstepError, and
        changes nothing, where a file that ``theirs`` changes has been edited.
        """
        repository.run("reset", "--quiet", "--keep", theirs, writes=True)
        for name, was in self.branches.items():
            ref = f"refs/heads/{name}"
            if tip(repository, ref) != was:
                repository.run("update-ref", *((ref, was) if was else ("-d", ref)), writes=True)


def moved_meanwhile(
    repository: Repository, before: str, now: str, refs: Sequence[AppRef], folder: Path
) -> list[AppRef]:
    """Return those of ``refs`` whose release stands elsewhere at ``now`` than at ``before``.

    ``folder`` is the one that has the environments.
    """
    files = {ref: repository.relative(folder / ref.environment / ref.name / STATUS_FILE) for ref in refs}
    old, new = (tree_files(repository, commit, *files.values()) for commit in (before, now))
    return [ref for ref, path in files.items() if old.get(path) != new.get(path)]


def refusal(refs: Sequence[AppRef], verb: str) -> RollstepError:
    """Return what stands against doing ``verb`` on apps that somebody else has moved."""
    hint = f"look at it (rollstep get), and do {verb} again if that is still what you want"
    message = "somebody else has moved this release and pushed that meanwhile"
    return RollstepError(Finding(f"{ref.environment}/{ref.name}", 0, 0, "", message, hint) for ref in refs)


def pause(attempt: int) -> None:
    """Wait for a moment that gets longer with every attempt, and is another one for every writer."""
    # Whoever is alone has no need of it.
    import random

    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2 ** min(attempt, 10))))
