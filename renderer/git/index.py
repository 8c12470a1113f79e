"""The index of a commit of our files, beside the user's index.

``git commit --only`` would do, but it compares every path with every entry of the index.  A commit of a fleet has
thousands of both.  As ``git commit --only`` does, ``locked_index`` writes the user's next index into the lock of the
index, and ``without`` writes an index without the user's staged changes if there are any.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from renderer.errors import Finding, RollstepError, reporting
from renderer.git.objects import remove_entries, set_entries, tree_files
from renderer.git.repository import MANY, Repository, literal, split

COMMIT_INDEX = "rollstep-index"
"""The file in git's folder with the index of a commit; only the owner of the index's lock writes it."""

WORTH_A_PACK = 1000
"""Files whose contents git stores in one pack instead of one file each."""


class IndexLock:
    """The lock of the user's index: a file with the next index in it, as git has it."""

    def __init__(self, index: Path, path: Path, repository: Repository) -> None:
        """``repository`` is the one whose index is the file ``path``."""
        self._index = index
        self._path = path
        self.repository = repository
        self.is_held = True

    def replace_index(self) -> None:
        """Rename the lock over the index, which ends the lock."""
        with reporting(str(self._index)):
            remove_commit_index(self.repository)
            os.replace(self._path, self._index)
        self.is_held = False


@contextmanager
def locked_index(repository: Repository) -> Iterator[IndexLock]:
    """Lock the index as git does, with a copy of it as the next index.

    The index stays as it is without ``replace_index``.  Raises RollstepError if another git has the lock.
    """
    index = repository.index
    path = Path(f"{index}.lock")
    lock = IndexLock(index, path, repository.within({"GIT_INDEX_FILE": str(path)}))
    with reporting(str(path)):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            raise RollstepError([another_git(path)]) from None
    try:
        with reporting(str(path)):
            if index.exists():
                shutil.copyfile(index, path)
            else:
                lock.repository.run("read-tree", "--empty", writes=True)
        yield lock
    finally:
        # A lock that replaced the index is gone: another git may have the next one.
        if lock.is_held:
            remove_commit_index(repository)
            path.unlink(missing_ok=True)


def another_git(lock: Path) -> Finding:
    """Return the finding about the ``lock`` of another git."""
    hint = "wait for it; if none is running, remove the file"
    return Finding(str(lock), 0, 0, "", "another git is at work", hint)


def stage(repository: Repository, paths: Sequence[str]) -> None:
    """Set the index entries of ``paths`` to the files of the work tree; raise RollstepError for an unreadable file."""
    remove_entries(repository, _flagged(repository, paths))
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    # Above bigFileThreshold, git stores contents in one pack: thousands of loose objects take longer to create.
    pack = ("-c", "core.bigFileThreshold=1") if len(paths) > WORTH_A_PACK else ()
    options = ("--add", "--remove", "--replace")
    repository.run(*pack, "update-index", *options, "-z", "--stdin", stdin=names, writes=True)


def _flagged(repository: Repository, paths: Sequence[str]) -> list[str]:
    """Return the ``paths`` with flags such as assume-unchanged, with which git would keep the old entry."""
    places = map(literal, paths) if len(paths) <= MANY else ()
    rows = split(repository.run("ls-files", "-z", "-v", "--", *places).stdout)
    # "<letter> <path>": lower case for assume-unchanged, S for skip-worktree.
    flagged = {row[2:] for row in rows if row[0] == "S" or row[0].islower()}
    return [path for path in paths if path in flagged]


def staged(repository: Repository, head: str | None) -> set[str]:
    """Return the paths whose index entry is not that of the commit ``head`` (None: before the first commit)."""
    differing = ("diff-index", "--cached", "--name-only", "--no-renames", "-z", head) if head else ("ls-files", "-z")
    return set(split(repository.run(*differing).stdout))


def untracked(repository: Repository, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the ``paths`` without an index entry."""
    if not paths:
        return ()
    places = map(literal, paths) if len(paths) <= MANY else ()
    tracked = set(split(repository.run("ls-files", "-z", "--cached", "--", *places).stdout))
    return tuple(path for path in paths if path not in tracked)


def unstage(repository: Repository, paths: Collection[str], head: str | None) -> None:
    """Set the index entries of ``paths`` to those of the commit ``head``."""
    found = tree_files(repository, head, *(paths if len(paths) <= MANY else ())) if head else {}
    set_entries(repository, {path: found.get(path) for path in paths})


def without(repository: Repository, paths: Collection[str], head: str | None) -> Repository:
    """Return the repository with a copy of its index in which ``paths`` are as in the commit ``head``."""
    copy = repository.git_dir / COMMIT_INDEX
    with reporting(str(copy)):
        shutil.copyfile(repository.index, copy)
    beside = repository.within({"GIT_INDEX_FILE": str(copy)})
    unstage(beside, paths, head)
    return beside


def remove_commit_index(repository: Repository) -> None:
    """Remove the index of a commit that is over, or was killed; the lock of the index has to be ours, or gone."""
    for name in (COMMIT_INDEX, f"{COMMIT_INDEX}.lock"):
        with suppress(OSError):
            (repository.git_dir / name).unlink()
