"""Opens a repository to write in it, and recovers what an interrupted run left there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from renderer.git.locks import lock_repository
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import recover_repository
from renderer.pipeline.load.workspace import Workspace, journal_root


@contextmanager
def open_to_write(
    directory: str, *, dry_run: bool, note: Callable[[str], object]
) -> Iterator[tuple[Workspace, Repository]]:
    """Open the repository of ``directory`` and keep other runs out of it to the end of the block.

    What an interrupted run left is put right first; ``note`` gets a line about that, and one where another run is
    waited for.  A dry run keeps nobody out.  Raises RollstepError where there is no repository, where another run does
    not end, and where a file was edited since the interrupted run.
    """
    workspace = Workspace.open(directory)
    repository = Repository.open(workspace.root)
    with ExitStack() as ends:
        if not dry_run:
            ends.callback(os.close, lock_repository(repository, note))
        for line in recover_repository(repository):
            note(line)
        yield workspace, repository


def recover_interrupted(root: Path) -> tuple[str, ...]:
    """Put right what an interrupted run left in the repository that ``root`` is in, and return a line about it.

    Raises RollstepError, and changes nothing, where a file has been edited since.
    """
    from renderer.pipeline.write.journal import pending, recover

    top = journal_root(root)
    if not pending(top):
        return ()
    if not (top / ".git").exists():
        return recover(top)
    return recover_repository(Repository.open(top))
