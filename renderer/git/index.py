"""The index that a commit is made from: the user's own with our files in it (shell).

It is made beside the user's, which is locked meanwhile as git itself locks it, and takes its place when the commit
stands.  What the user has staged elsewhere stays staged, and is not in the commit.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from renderer.errors import Finding, RollstepError, reporting
from renderer.git.process import Running
from renderer.git.repository import MANY, Repository, literal

NEXT, ALONE = "rollstep-index", "rollstep-index-alone"
"""In git's folder: the index that comes next, and that of a commit from which the user's staged changes are left out.

There is one of each at most, whatever is killed: only who holds the lock of the index makes them.
"""


_ANEW = ("--add", "--remove", "--replace")
"""Options with which git takes files as they are in the work tree, whatever the index had in their place."""

WORTH_A_PACK = 1000
"""Files whose contents git stores in one pack, and not each in a file of its own."""


class Staged:
    """What a commit is made from: an index of its own, in which git puts our files while something else is done."""

    def __init__(self, repository: Repository, paths: Sequence[str], head: str | None, update: Running) -> None:
        """Take the repository with the user's index, and the git that updates the next one."""
        self._repository = repository
        self._next = _with_index(repository, NEXT)
        self._paths = paths
        self._head = head
        self._update = update

    def has(self, tree: str) -> bool:
        """Tell whether our files are in the next index just as ``tree`` has them.

        They are not where the index says not to look at one, or where git keeps line ends as they were.  Raises
        RollstepError where git cannot read a file.
        """
        self._update.output()
        return not _differences(self._next, tree, self._paths).keys() & set(self._paths)

    def alone(self) -> Repository:
        """Return the repository with an index that has what HEAD has, with our files in place of its own.

        Raises RollstepError where git cannot read a file.
        """
        self._update.output()
        found = _differences(self._next, self._head)
        if passed_over := [path for path in self._paths if path not in found]:
            # Those that the index says not to look at.
            _update(self._next, passed_over, "--force-remove")
            _update(self._next, passed_over, *_ANEW)
            found = _differences(self._next, self._head)
        others = found.keys() - set(self._paths)
        return _without(self._repository, {path: found[path] for path in others}) if others else self._next

    def take(self) -> None:
        """Make our files those of the user's index; raise RollstepError where that cannot be written."""
        index = self._repository.index
        with reporting(str(index)):
            os.replace(_place(self._repository, NEXT), index)


@contextmanager
def staged(repository: Repository, paths: Sequence[str], head: str | None) -> Iterator[Staged]:
    """Stage ``paths``, which are not as in the commit ``head``, as they are in the work tree, beside the user's index.

    That stays as it is unless the caller takes the new one.  Raises RollstepError where another git is at work.
    """
    index = repository.index
    lock = Path(f"{index}.lock")
    with reporting(str(lock)):
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            hint = "wait for it; if none is running, remove the file"
            raise RollstepError([Finding(str(lock), 0, 0, "", "another git is at work", hint)]) from None
    try:
        _copy(index, _place(repository, NEXT))
        with _updating(_with_index(repository, NEXT), paths, *_ANEW) as update:
            yield Staged(repository, paths, head, update)
    finally:
        clear(repository)
        lock.unlink(missing_ok=True)


def clear(repository: Repository) -> None:
    """Remove what ``staged`` makes, and a killed run has left; the lock of the index has to be ours, or gone."""
    for name in (NEXT, ALONE):
        for path in (_place(repository, name), _place(repository, f"{name}.lock")):
            with suppress(OSError):
                path.unlink()


def restage(repository: Repository, paths: Sequence[str]) -> None:
    """Make ``paths`` in the user's index what they are in HEAD."""
    found = _differences(repository, repository.head.sha)
    _put(repository, {path: found[path] for path in paths if path in found})


def _without(repository: Repository, others: dict[str, str]) -> Repository:
    """Return the repository with the next index as the commit's own, ``others`` in it as HEAD has them."""
    _copy(_place(repository, NEXT), _place(repository, ALONE))
    alone = _with_index(repository, ALONE)
    _put(alone, others)
    return alone


def _differences(repository: Repository, head: str | None, paths: Sequence[str] = ()) -> dict[str, str]:
    """Return the paths whose content in the index is not that of ``head``, and the mode and name of that.

    Those among ``paths`` are there, where these are few no others.
    """
    base = head or repository.run("hash-object", "-t", "tree", "--stdin").stdout.decode().strip()
    args = ("diff-index", "--cached", "--raw", "--no-abbrev", "--no-renames", "-z", base, "--")
    raw = repository.run(*args, *(map(literal, paths) if len(paths) <= MANY else ()))
    fields = raw.stdout.split(b"\0")[:-1]
    # ":<old mode> <new mode> <old name> <new name> <letter>", and the path.
    heads = (head.decode().removeprefix(":").split() for head in fields[::2])
    return {
        os.fsdecode(path): f"{'0' if not int(words[0]) else words[0]} {words[2]}"
        for words, path in zip(heads, fields[1::2], strict=True)
    }


def _update(repository: Repository, paths: Sequence[str], *options: str) -> None:
    with _updating(repository, paths, *options) as update:
        update.output()


def _updating(repository: Repository, paths: Sequence[str], *options: str) -> Running:
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    # Of any size, then, contents go into one pack: thousands of files in git's folder would take longer to make than
    # to store, and git would have to pack them soon.
    pack = ("-c", "core.bigFileThreshold=1") if len(paths) > WORTH_A_PACK else ()
    return repository.start(*pack, "update-index", *options, "-z", "--stdin", stdin=names, writes=True)


def _put(repository: Repository, entries: Mapping[str, str]) -> None:
    # What goes goes first: a file may come where a folder was.
    rows = sorted((entry[0] != "0", path, entry) for path, entry in entries.items())
    listing = b"".join(os.fsencode(f"{entry}\t{path}") + b"\0" for _, path, entry in rows)
    repository.run("update-index", "-z", "--index-info", stdin=listing, writes=True)


def _with_index(repository: Repository, name: str) -> Repository:
    return repository.within({"GIT_INDEX_FILE": str(_place(repository, name))})


def _place(repository: Repository, name: str) -> Path:
    return repository.git_dir / name


def _copy(source: Path, target: Path) -> None:
    with reporting(str(target)):
        # A repository without an index yet has none to copy.
        with suppress(FileNotFoundError):
            target.unlink()
        with suppress(FileNotFoundError):
            shutil.copyfile(source, target)
