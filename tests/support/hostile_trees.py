"""Git trees that no checkout makes, put together byte by byte."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

Entry = tuple[str, str, str]
"""The mode, the name and the hash of a tree's entry."""


class TreeBuilder:
    """Writes objects into the repository at ``root``, whatever git would refuse."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, input=stdin, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, entries: Sequence[Entry]) -> str:
        raw = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(sha) for mode, name, sha in entries)
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)

    def entries(self, place: str) -> list[Entry]:
        """Return the entries of the tree at ``COMMIT:PATH`` or ``COMMIT^{tree}``."""
        rows = [line.split(None, 2) for line in self.git("ls-tree", place).splitlines()]
        return [(mode.lstrip("0"), rest.split("\t")[1], rest.split("\t")[0]) for mode, _, rest in rows]

    def replaced(self, commit: str, path: str, entries: Sequence[Entry]) -> str:
        """Return the root tree of ``commit`` with the folder ``path`` replaced by a tree of ``entries``."""
        sha, names = self.tree(entries), path.split("/")
        for depth in range(len(names) - 1, -1, -1):
            place = f"{commit}:{'/'.join(names[:depth])}" if depth else f"{commit}^{{tree}}"
            kept = [entry for entry in self.entries(place) if entry[1] != names[depth]]
            sha = self.tree(sorted([*kept, ("40000", names[depth], sha)], key=_sort_key))
        return sha

    def commit(self, tree: str, *parents: str, message: str = "Tidy") -> str:
        options = [part for parent in parents for part in ("-p", parent)]
        return self.git("commit-tree", *options, "-m", message, tree)


def _sort_key(entry: Entry) -> bytes:
    return (f"{entry[1]}/" if entry[0] == "40000" else entry[1]).encode()
