"""A workspace and its repository, opened by a command that is going to commit (shell)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from renderer.git.locks import lock_repository
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import recover_repository
from renderer.pipeline.load.workspace import Workspace, journal_root


def open_to_write(directory: str, *, dry_run: bool) -> tuple[Workspace, Repository]:
    """Open the repository of ``directory``, and put right what an interrupted run left in it, which is told.

    Other runs are kept out of it until the command is over; a dry run keeps nobody out.  Raises RollstepError where
    there is no repository, where another run does not end, and where what is left over was edited since.
    """
    workspace = Workspace.open(directory)
    repository = Repository.open(workspace.root)
    if not dry_run:
        descriptor = lock_repository(repository, _tell)
        context = click.get_current_context(silent=True)
        if context is not None:
            context.call_on_close(lambda: os.close(descriptor))
    for line in recover_repository(repository):
        _tell(line)
    return workspace, repository


def _tell(line: str) -> None:
    click.echo(line, err=True)


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
    from renderer.git.repository import Repository
    from renderer.pipeline.commit.atomic import recover_repository

    return recover_repository(Repository.open(top))


def note_interrupted(root: Path) -> None:
    """Say on stderr that files may be half written, where a run was interrupted or is at work."""
    from renderer.pipeline.write.journal import JOURNAL, pending

    if pending(journal_root(root)):
        message = "a run was interrupted or is under way: the next verb that writes puts its files right"
        print(f"note: {JOURNAL}: {message}", file=sys.stderr)
