"""Files of a commit, laid out in a temporary folder for the loaders: no work tree and no index is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from renderer.errors import Finding, RollstepError
from renderer.git import Repository

LINK, EXECUTABLE = "120000", "100755"
_NOWHERE = ".rollstep-outside"


class Entry(NamedTuple):
    """A file of a commit: its mode and the name of its object."""

    mode: str
    blob: str


class Snapshot:
    """A temporary folder that holds chosen files of one commit at a time; only what differs is written again."""

    def __init__(self, repository: Repository) -> None:
        """Make the folder; :meth:`close` removes it."""
        self._repository = repository
        self._folder = TemporaryDirectory(prefix="rollstep-snapshot-")
        self.root = Path(os.path.realpath(self._folder.name))
        self._held: dict[str, Entry] = {}

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()

    def hold(self, sha: str, paths: Sequence[str]) -> Path:
        """Make the folder hold the files of commit ``sha`` in and below ``paths`` (all files, where there are none).

        A link that leads out of the commit leads to nothing here.  Returns the folder.  Raises RollstepError for a
        path that no checkout could have.
        """
        wanted = list_files(self._repository, sha, paths)
        strange = [path for path in wanted if {".", "..", ".git", ""} & {part.lower() for part in path.split("/")}]
        if strange:
            raise RollstepError(Finding(path, 0, 0, "", "is a path that git checks out nowhere") for path in strange)
        # All that goes goes first: where a link was, there may be a folder now.
        for path in [path for path, entry in self._held.items() if wanted.get(path) != entry]:
            self._remove(path)
        fresh = {path: entry for path, entry in wanted.items() if path not in self._held}
        contents = read_blobs(self._repository, [entry.blob for entry in fresh.values()])
        for path, entry in fresh.items():
            self._write(path, entry.mode, contents[entry.blob])
            self._held[path] = entry
        return self.root

    def _remove(self, path: str) -> None:
        target = self.root / path
        target.unlink()
        del self._held[path]
        for parent in target.parents:
            if parent == self.root or any(parent.iterdir()):
                break
            parent.rmdir()

    def _write(self, path: str, mode: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == LINK:
            link = os.fsdecode(content)
            leads_out = os.path.isabs(link) or os.path.normpath(PurePosixPath(path).parent / link).startswith("..")
            target.symlink_to(_NOWHERE if leads_out else link)
            return
        target.write_bytes(content)
        if mode == EXECUTABLE:
            target.chmod(0o755)


def list_files(repository: Repository, sha: str, paths: Sequence[str]) -> dict[str, Entry]:
    """Return the files and links of commit ``sha`` in and below ``paths`` (all, where there are none), by path."""
    listing = repository.run("ls-tree", "-r", "-z", "--full-tree", sha, "--", *paths).stdout
    found = {}
    for row in listing.split(b"\0"):
        if row:
            head, _, path = row.partition(b"\t")
            mode, kind, name = head.decode().split()
            if kind == "blob":
                found[os.fsdecode(path)] = Entry(mode, name)
    return found


def read_blobs(repository: Repository, names: Sequence[str]) -> Mapping[str, bytes]:
    """Return the content of objects by name; raise RollstepError where one is not in the repository."""
    wanted = sorted(set(names))
    batch = repository.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode()).stdout
    contents, start = {}, 0
    for name in wanted:
        # Each answer is "<hash> <type> <size>\n<content>\n", or "<hash> missing\n".
        end = batch.index(b"\n", start)
        words = batch[start:end].split()
        if len(words) != 3:
            raise RollstepError(f"the object {name} is missing", hint="fetch it: git fetch --refetch, or clone anew")
        size = int(words[2])
        contents[name] = batch[end + 1 : end + 1 + size]
        start = end + size + 2
    return contents


def object_names(repository: Repository, places: Sequence[str]) -> tuple[str, ...]:
    """Return the name of the object at each of ``places`` (``COMMIT:PATH``), empty where there is none."""
    # One that is not there is told as "<place> missing".
    stdin = b"".join(os.fsencode(place) + b"\n" for place in places)
    answers = repository.run("cat-file", "--batch-check=%(objectname)", stdin=stdin).stdout.split(b"\n")[:-1]
    return tuple("" if b" " in answer else answer.decode() for answer in answers)
