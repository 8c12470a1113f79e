"""Opens a repository for a run that writes, and recovers an interrupted run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from renderer.git.locks import lock_repository
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import recover_repository
from renderer.pipeline.load.workspace import Workspace, journal_root
from renderer.pipeline.write.journal import pending, recover


@contextmanager
def open_to_write(
    directory: str, *, dry_run: bool, note: Callable[[str], object]
) -> Iterator[tuple[Workspace, Repository]]:
    """Open the repository of ``directory`` and lock out other runs until the end of the block.

    Recovers an interrupted run first.  ``note`` gets a line about that, one for each unknown name in ``rollstep.yaml``,
    and one while waiting for another run.  A dry run takes no lock.  Raises RollstepError without a repository, if
    another run does not end, and if a file was edited after the interrupted run.
    """
    workspace = Workspace.open(directory)
    workspace.note_unknown_names(note)
    repository = Repository.open(workspace.root)
    with ExitStack() as stack:
        if not dry_run:
            stack.callback(os.close, lock_repository(repository, note))
        for line in recover_repository(repository):
            note(line)
        yield workspace, repository


def recover_interrupted(root: Path) -> tuple[str, ...]:
    """Recover an interrupted run in the repository of ``root``, and return one line about it.

    Raises RollstepError, and changes nothing, if a file has been edited since.
    """
    top = journal_root(root)
    if not pending(top):
        return ()
    if not (top / ".git").exists():
        return recover(top)
    return recover_repository(Repository.open(top))
