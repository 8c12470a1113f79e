"""Objects in a temporary folder beside a repository's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from renderer.git.repository import Repository

_OBJECTS, _ALTERNATES = "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"


class Scratch:
    """A folder for new objects, removed on exit; ``repository`` has them and the real repository's objects."""

    def __init__(self, repository: Repository, *, keep: bool) -> None:
        """With ``keep`` the new objects go into the repository itself, where a ref can name them."""
        self.keeps = keep
        self._folder = TemporaryDirectory(prefix="rollstep-scratch-")
        self._root = Path(self._folder.name)
        environment: dict[str, str] = {}
        if not keep:
            place = repository.run("rev-parse", "--git-path", "objects").stdout.decode().rstrip("\n")
            known = [
                str(repository.root / os.environ.get(_OBJECTS, place)),
                *os.environ.get(_ALTERNATES, "").split(":"),
            ]
            environment |= {_OBJECTS: str(self._root / "objects"), _ALTERNATES: ":".join(filter(None, known))}
            (self._root / "objects").mkdir()
        self.repository = repository.within(environment)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def blobs(self, contents: Mapping[str, bytes]) -> dict[str, str]:
        """Store a blob of each content, and return their names by the same keys."""
        paths = []
        for number, content in enumerate(contents.values()):
            path = self._root / f"blob-{number}"
            path.write_bytes(content)
            paths.append(path)
        stdin = "".join(f"{path}\n" for path in paths).encode()
        names = self.repository.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=stdin, writes=True)
        return dict(zip(contents, names.stdout.decode().split(), strict=True))

    def index_tree(self) -> str:
        """Store the tree of the index, which stays as it is, and return its hash."""
        copy = self._root / "index"
        # In the index itself, git would remember trees of the temporary folder.
        shutil.copyfile(self.repository.index, copy)
        repository = self.repository.within({"GIT_INDEX_FILE": str(copy)})
        return repository.run("write-tree", "--missing-ok", writes=True).stdout.decode().strip()

    def commit(self, like: str, tree: str, parents: tuple[str, ...]) -> str:
        """Store a copy of the commit ``like`` with another tree and parents, and return its hash.

        A copy that differs has no signature, since the old one would not be valid.
        """
        raw = self.repository.run("cat-file", "commit", like).stdout
        head, _, message = raw.partition(b"\n\n")
        lines = [line for line in head.split(b"\n") if not line.startswith((b"tree ", b"parent "))]
        new = [f"tree {tree}".encode(), *(f"parent {parent}".encode() for parent in parents), *lines]
        if b"\n".join(new) != head:
            new = _unsigned(new)
        args = ("hash-object", "-t", "commit", "-w", "--stdin")
        stored = self.repository.run(*args, stdin=b"\n".join(new) + b"\n\n" + message, writes=True)
        return stored.stdout.decode().strip()


def _unsigned(lines: list[bytes]) -> list[bytes]:
    """Return a commit's header without its signature, whose continuation lines begin with a space."""
    left, inside = [], False
    for line in lines:
        inside = line.startswith(b"gpgsig") or (inside and line.startswith(b" "))
        if not inside:
            left.append(line)
    return left
