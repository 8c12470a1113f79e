"""Files and their commit as one: both are there in the end, or neither.

A kill between the two leaves files that no commit has.  The next run's ``recover_repository`` puts the old ones
back; where git had made the commit already, it completes the files instead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from renderer.errors import Finding, RollstepError
from renderer.git.commit import CommitResult, Identity, check_commit, commit_files
from renderer.git.index import remove_commit_index, unstage
from renderer.git.locks import remove_stale_locks
from renderer.git.objects import hash_files, tree_files
from renderer.git.repository import MANY, Repository
from renderer.pipeline.write.journal import Journal, recover
from renderer.pipeline.write.transaction import Transaction


def publish(
    repository: Repository,
    transaction: Transaction,
    message: str,
    *,
    author: Identity | None = None,
    committer: Identity | None = None,
    when: datetime | None = None,
    allow_detached: bool = False,
    dry_run: bool = False,
    check: Callable[[], None] | None = None,
) -> CommitResult | None:
    """Change the files of ``transaction`` and commit them; on any error there is neither.

    All of the transaction's files are in the commit, those too that held their content before and were not committed.
    ``check`` runs when the files are in place and before the commit; what it raises undoes them.  The other arguments
    are those of ``commit``.  A dry run does every check that writes nothing, and returns a result
    without a hash.  Returns None where HEAD has all of it already; the work tree has it then, too.  Raises
    RollstepError.
    """
    if transaction.root != repository.root:
        raise ValueError(f"the transaction is for {transaction.root}, the repository is {repository.root}")
    planned = transaction.paths
    paths, written = tuple(planned), [path for path, is_there in planned.items() if is_there]
    checked = check_commit(
        repository, written, author=author, committer=committer, when=when, allow_detached=allow_detached
    )
    if dry_run:
        uncommitted = set(repository.dirty(paths if len(paths) <= MANY else ())).intersection(paths)
        changed = tuple(sorted({*(entry.path for entry in transaction.check()), *uncommitted}))
        return CommitResult("", message.split("\n", 1)[0], changed) if changed else None
    transaction.memo = {"head": checked.head, "paths": list(paths)}
    entries = transaction.prepare()
    transaction.apply()
    try:
        if check is not None:
            check()
        result = commit_files(repository, paths, message, checked)
    except BaseException:
        # An interrupt can come when git has moved the branch already: then the files belong to that commit.
        if _is_committed(repository, Journal(transaction.root, entries, memo=transaction.memo)):
            transaction.finish()
        else:
            transaction.rollback()
        raise
    # The commit stands: what cannot be cleared away now, the next run's recovery does.
    with suppress(RollstepError):
        transaction.finish()
    return result


def recover_repository(repository: Repository) -> tuple[str, ...]:
    """Undo or complete what an interrupted ``publish`` left, and return a line about it; nothing where nothing is.

    To be called before the files are read.  Raises RollstepError, and changes nothing, where a file has been edited
    since, or where the interrupted run's git may still be at work.
    """

    def is_committed(journal: Journal) -> bool:
        if locks := remove_stale_locks(repository, journal.written):
            message = "git may still be at work for a run that was interrupted"
            hint = "wait for it; if none is running, remove the file"
            raise RollstepError(Finding(str(lock), 0, 0, "", message, hint) for lock in locks)
        remove_commit_index(repository)
        committed = _is_committed(repository, journal)
        if committed:
            # Git moves the branch first and the index after.
            unstage(repository, journal.memo["paths"], repository.head.sha)
        return committed

    return recover(repository.root, is_committed)


def _is_committed(repository: Repository, journal: Journal) -> bool:
    """Tell whether HEAD has moved since the journal was written and has every file as it was to become."""
    paths = journal.memo.get("paths")
    head = repository.head.sha
    if not paths or head is None or head == journal.memo.get("head"):
        return False
    files = {path: journal.root / path for path in paths}
    for number, entry in enumerate(journal.entries):
        if entry.new is None:
            del files[entry.path]
        elif (new := Path(journal.new_file(number))).exists():
            files[entry.path] = new
    found = tree_files(repository, head, *(paths if len(paths) <= MANY else ()))
    committed = {path: found[path].sha for path in paths if path in found}
    return committed == hash_files(repository, {path: file for path, file in files.items() if file.exists()})
