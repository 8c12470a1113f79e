"""Trees that are made of another one with some files in it, without an index: only folders that change are looked at.

An index holds every file of the repository, and is read and written as a whole (shell).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from renderer.errors import RollstepError
from renderer.git.process import Dialogue
from renderer.git.repository import MANY, Repository

REGULAR = "100644"
"""The mode of a plain file in a tree."""

_FOLDER, _SUBMODULE = "40000", "160000"


class TreeFile(NamedTuple):
    """A file of a tree, or a folder or submodule in it: its mode as git writes it, and the name of its object."""

    mode: str
    sha: str


def files_of(listing: bytes) -> dict[str, TreeFile]:
    """Return what ``git ls-tree -r -z`` lists, by path, sorted."""
    found = {}
    for row in listing.split(b"\0")[:-1]:
        head, path = row.split(b"\t", 1)
        mode, _, sha = head.decode().split()
        found[os.fsdecode(path)] = TreeFile(mode, sha)
    return dict(sorted(found.items()))


def new_files(repository: Repository, paths: Sequence[str], head: str | None) -> dict[str, TreeFile | None]:
    """Return the files among ``paths`` whose content in the work tree is not that of ``head``, whatever is staged.

    Each is as a tree would have it, with the mode that it has in ``head``; None where it is gone.  ``head`` is the hash
    of a commit, None before the first one.
    """
    if not paths:
        return {}
    # Text in place of Path: a fleet has too many files for the comfort of it.
    root = str(repository.root)
    existing = [path for path in paths if os.path.lexists(f"{root}/{path}")]
    if head is None:
        names, there = repository.names_in_place(existing), {}
    else:
        # Git holds every path of a list against every file that it has: of many, it tells all files sooner.
        listed = () if len(paths) > MANY else paths
        with repository.start("ls-tree", "-r", "-z", "--full-tree", head, "--", *listed) as running:
            names = repository.names_in_place(existing)
            there = files_of(running.output().stdout)
    now = {path: TreeFile(there[path].mode if path in there else REGULAR, sha) for path, sha in names.items()}
    return {path: now.get(path) for path in paths if now.get(path) != there.get(path)}


def missing(name: str) -> RollstepError:
    """Return what stands against a repository that does not have the object ``name``."""
    return RollstepError(f"the object {name} is missing", hint="fetch it: git fetch --refetch, or clone anew")


class _Folder(NamedTuple):
    """What changes in a folder: files (None: they go), and folders in it, by name."""

    files: dict[bytes, TreeFile | None]
    folders: dict[bytes, _Folder]


def store_tree(repository: Repository, base: str | None, files: Mapping[str, TreeFile | None]) -> str:
    """Store the tree of ``base`` (a tree or commit; None: an empty one) with ``files`` in it; return its name.

    None as a file takes it out.  Whether their objects are there already is not looked at.  Raises RollstepError where
    git fails.
    """
    changes = _Folder({}, {})
    for path, file in files.items():
        *above, name = os.fsencode(path).split(b"/")
        folder = changes
        for part in above:
            folder = folder.folders.setdefault(part, _Folder({}, {}))
        folder.files[name] = file
    variables = repository.variables()
    with (
        Dialogue(["cat-file", "--batch"], repository.root, variables) as reader,
        Dialogue(["mktree", "-z", "--missing", "--batch"], repository.root, variables, writes=True) as writer,
    ):
        return _stored(reader, writer, base and f"{base}^{{tree}}", changes) or _store(writer, {})


def _stored(reader: Dialogue, writer: Dialogue, name: str | None, changes: _Folder) -> str | None:
    """Return the tree of the folder ``name`` with ``changes``; None where nothing is left in it."""
    entries = _entries(reader, name) if name else {}
    # What goes goes first: a file may come where a folder was, and a folder where a file was.
    for part, file in changes.files.items():
        if file is None and part in entries and entries[part].mode != _FOLDER:
            del entries[part]
    for part, below in changes.folders.items():
        old = entries.pop(part, None)
        sha = _stored(reader, writer, old.sha if old and old.mode == _FOLDER else None, below)
        if sha:
            entries[part] = TreeFile(_FOLDER, sha)
    entries |= {part: file for part, file in changes.files.items() if file}
    return _store(writer, entries) if entries else None


def _entries(reader: Dialogue, name: str) -> dict[bytes, TreeFile]:
    """Return what is in a tree, by name; raise RollstepError where the repository does not have it."""
    words = reader.ask(os.fsencode(name) + b"\n").split()
    if len(words) != 3:
        raise missing(name)
    content = reader.read(int(words[2]) + 1)[:-1]
    size, entries, at = len(words[0]) // 2, {}, 0
    # An entry is "<mode> <name>", NUL, and the bytes of the object's name.
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, part = content[at:end].partition(b" ")
        at = end + 1 + size
        entries[part] = TreeFile(mode.decode(), content[end + 1 : at].hex())
    return entries


def _store(writer: Dialogue, entries: Mapping[bytes, TreeFile]) -> str:
    kinds = {_FOLDER: "tree", _SUBMODULE: "commit"}
    rows = (
        f"{file.mode} {kinds.get(file.mode, 'blob')} {file.sha}\t".encode() + part + b"\0"
        for part, file in entries.items()
    )
    return writer.ask(b"".join(rows) + b"\0").decode()
