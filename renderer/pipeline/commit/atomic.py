"""Files and their commit as one transaction: the repository gets both or neither.

A kill in between leaves files without a commit, or a commit without its index.  ``recover_repository`` of the next run
restores the old files, or completes the files and the index of the commit.
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


def commit_transaction(
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
    """Write the files of ``transaction`` and commit them; any error undoes both.

    The commit has all files of the transaction that differ from HEAD, whether this run changed them or not.  ``check``
    runs between the files and the commit, and its exception undoes the files.  The other arguments are those of
    ``check_commit``.  A dry run only checks, and returns a result without a hash.  Returns None if HEAD and the work
    tree have all files already.  Raises RollstepError.
    """
    if transaction.root != repository.root:
        raise ValueError(f"the transaction is for {transaction.root}, the repository is {repository.root}")
    planned = transaction.paths
    paths, written = tuple(planned), [path for path, exists in planned.items() if exists]
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
        # After an interrupt, the branch may have the commit already.
        if _is_committed(repository, Journal(transaction.root, entries, memo=transaction.memo)):
            transaction.finish()
        else:
            transaction.rollback()
        raise
    # The commit exists: the next run's recovery removes a journal that cannot be removed now.
    with suppress(RollstepError):
        transaction.finish()
    return result


def recover_repository(repository: Repository) -> tuple[str, ...]:
    """Undo or complete an interrupted ``commit_transaction``, and return one line about it, if there was one.

    Callers read files only after this.  Raises RollstepError, and changes nothing, if a file has been edited since, or
    if the git of the interrupted run may still be alive.
    """

    def is_committed(journal: Journal) -> bool:
        if locks := remove_stale_locks(repository, journal.written):
            message = "git may still be at work for a run that was interrupted"
            hint = "wait for it; if none is running, remove the file"
            raise RollstepError(Finding(str(lock), 0, 0, "", message, hint) for lock in locks)
        remove_commit_index(repository)
        committed = _is_committed(repository, journal)
        if committed:
            # The index follows the branch.
            unstage(repository, journal.memo["paths"], repository.head.sha)
        return committed

    return recover(repository.root, is_committed)


def _is_committed(repository: Repository, journal: Journal) -> bool:
    """Return whether HEAD has moved since the journal was written, and has all of the journal's new files."""
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
