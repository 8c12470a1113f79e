"""Git's objects and refs: read trees and blobs, store blobs, trees and commits, move branches.

Nothing here reads or writes the work tree or the user's index, so checked-out, staged and edited files stay as they
are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from renderer.errors import Finding, RollstepError
from renderer.git.repository import Repository, literal

REGULAR = "100644"
"""The mode of a plain file in a tree."""

SUBMODULE = "160000"
"""The mode of a submodule in a tree."""


class TreeFile(NamedTuple):
    """A file or submodule in a tree: its mode as git writes it, and the name of its object."""

    mode: str
    sha: str


def tree_files(repository: Repository, ref: str, *paths: str) -> dict[str, TreeFile]:
    """Return the files and submodules of ``ref`` in and below ``paths`` by path, sorted; without paths all of them."""
    places = [] if "." in paths else map(literal, paths)
    listing = repository.run("ls-tree", "-r", "-z", "--full-tree", ref, "--", *places).stdout
    found = {}
    for row in listing.split(b"\0")[:-1]:
        # "<mode> <type> <name>\t<path>"
        head, path = row.split(b"\t", 1)
        mode, _, sha = head.decode().split()
        found[os.fsdecode(path)] = TreeFile(mode, sha)
    return dict(sorted(found.items()))


def read_blobs(repository: Repository, names: Iterable[str]) -> Mapping[str, bytes]:
    """Return the content of objects by name; raise RollstepError for a missing object."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    batch = repository.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode()).stdout
    contents, start = {}, 0
    for name in wanted:
        # "<name> <type> <size>\n<content>\n", or "<name> missing\n"
        end = batch.index(b"\n", start)
        words = batch[start:end].split()
        if len(words) != 3:
            raise RollstepError(f"the object {name} is missing", hint="fetch it: git fetch --refetch, or clone anew")
        size = int(words[2])
        contents[name] = batch[end + 1 : end + 1 + size]
        start = end + size + 2
    return contents


def read_files(repository: Repository, ref: str, *paths: Path | str) -> dict[str, bytes]:
    """Return the content of the files of ``ref`` in and below ``paths`` by path, sorted; without paths all of them.

    The content of a symbolic link is its target.  HEAD before the first commit has no files.  Raises RollstepError
    for an unknown ``ref``.
    """
    names = [repository.relative(path) for path in paths]
    sha = repository.head.sha if ref == "HEAD" else repository.resolve(ref)
    found = tree_files(repository, sha, *names) if sha else {}
    files = {path: file.sha for path, file in found.items() if file.mode != SUBMODULE}
    contents = read_blobs(repository, files.values())
    return {path: contents[name] for path, name in files.items()}


def read_file(repository: Repository, ref: str, path: Path | str) -> bytes | None:
    """Return the content of the file ``path`` in ``ref``; None if the commit has no such file."""
    return read_files(repository, ref, path).get(repository.relative(path))


def object_names(repository: Repository, places: Sequence[str]) -> tuple[str, ...]:
    """Return the name of the object at each of ``places`` (``COMMIT:PATH``), empty for a missing one."""
    stdin = b"".join(os.fsencode(place) + b"\n" for place in places)
    # Git answers "<place> missing" for a missing one.
    answers = repository.run("cat-file", "--batch-check=%(objectname)", stdin=stdin).stdout.split(b"\n")[:-1]
    return tuple("" if b" " in answer else answer.decode() for answer in answers)


def hash_files(repository: Repository, files: Mapping[str, Path]) -> dict[str, str]:
    """Return the blob name of each file by the path that it has or gets in the repository: git's filters apply."""
    in_place = [path for path, file in files.items() if file == repository.root / path]
    stdin = b"".join(os.fsencode(path) + b"\n" for path in in_place)
    listed = repository.run("hash-object", "--stdin-paths", stdin=stdin).stdout.decode().split()
    names = dict(zip(in_place, listed, strict=True))
    for path in files.keys() - names.keys():
        hashed = repository.run("hash-object", f"--path={path}", "--", str(files[path]))
        names[path] = hashed.stdout.decode().strip()
    return names


def store_blob(repository: Repository, content: bytes, path: str = "") -> str:
    """Store ``content`` and return the blob's name; with a ``path``, git's filters for that path apply."""
    place = [f"--path={path}"] if path else []
    return repository.run("hash-object", "-w", *place, "--stdin", stdin=content, writes=True).stdout.decode().strip()


def store_tree(repository: Repository, base: str | None, files: Mapping[str, TreeFile | None]) -> str:
    """Store the tree of ``base`` (a tree or commit; None: an empty one) with ``files`` in it, and return its name.

    None as a file removes the path.  The objects of ``files`` need not exist yet.
    """
    with TemporaryDirectory(prefix="rollstep-index-") as folder:
        beside = repository.within({"GIT_INDEX_FILE": f"{folder}/index"})
        # A git that ``writes`` would run the hook of a changed index.
        beside.run("read-tree", base or "--empty")
        set_entries(beside, files, writes=False)
        return beside.run("write-tree", "--missing-ok").stdout.decode().strip()


def set_entries(repository: Repository, files: Mapping[str, TreeFile | None], *, writes: bool = True) -> None:
    """Set entries of the repository's index; None as a file removes its entry.  ``writes`` is that of ``run``."""
    # Removals come first: a file may replace a folder, and a folder a file.
    remove_entries(repository, [path for path, file in files.items() if file is None], writes=writes)
    entries = [os.fsencode(f"{file.mode} {file.sha}\t{path}\0") for path, file in files.items() if file is not None]
    if entries:
        repository.run("update-index", "-z", "--index-info", stdin=b"".join(entries), writes=writes)


def remove_entries(repository: Repository, paths: Sequence[str], *, writes: bool = True) -> None:
    """Remove the entries of ``paths`` from the repository's index; ``writes`` is that of ``run``."""
    if paths:
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        repository.run("update-index", "--force-remove", "-z", "--stdin", stdin=names, writes=writes)


def store_commit(
    repository: Repository, tree: str, parents: Sequence[str], message: str, environment: Mapping[str, str]
) -> str:
    """Store a commit and return its hash; ``environment`` has git's variables for its people and dates.

    The commit is signed if git's configuration says ``commit.gpgSign``.  No hook runs, since hooks are for the work
    tree's branch.  Raises RollstepError if git refuses the commit.
    """
    arguments = [part for parent in parents for part in ("-p", parent)]
    if repository.run("config", "--type=bool", "--get", "commit.gpgSign", check=False).stdout.strip() == b"true":
        arguments.append("-S")
    stored = repository.run(
        *("-c", "i18n.commitEncoding=UTF-8", "commit-tree", *arguments, "-F", "-", tree),
        stdin=message.encode(),
        env=environment,
        check=False,
        writes=True,
    )
    if stored.status:
        message = f"git refused the commit: {stored.stderr}"
        raise RollstepError([Finding("", 0, 0, "", message, "nothing was committed")])
    return stored.stdout.decode().strip()


def tip(repository: Repository, ref: str) -> str | None:
    """Return the commit of the full ref name ``ref`` (``refs/heads/main``); None for a missing ref."""
    found = repository.run("rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}", check=False)
    return found.stdout.decode().strip() or None


def has_ref(repository: Repository, ref: str) -> bool:
    """Return whether the full ref name ``ref`` exists, whatever object it names."""
    return repository.run("show-ref", "--verify", "--quiet", ref, check=False).status == 0


def is_ancestor(repository: Repository, older: str, newer: str) -> bool:
    """Return whether ``older`` is ``newer`` or one of its ancestors; False for a missing commit."""
    return repository.run("merge-base", "--is-ancestor", older, newer, check=False).status == 0


def move_branch(repository: Repository, branch: str, new: str, old: str | None, reason: str) -> None:
    """Set ``branch`` from ``old`` (None: a new branch) to ``new``; raise RollstepError if somebody else moved it."""
    ref = f"refs/heads/{branch}"
    update = ("update-ref", "--create-reflog", "-m", f"rollstep: {reason}", ref, new, old or "0" * len(new))
    moved = repository.run(*update, check=False, writes=True)
    if moved.status:
        hint = "run the command again"
        raise RollstepError([Finding(branch, 0, 0, "", f"the branch has not been moved: {moved.stderr}", hint)])


def add_note(repository: Repository, ref: str, commit: str, text: str, environment: Mapping[str, str]) -> None:
    """Set the note of ``commit`` in ``refs/notes/REF`` to ``text``, unless it has that text already."""
    old = repository.run("notes", f"--ref={ref}", "show", commit, check=False)
    if old.status or old.stdout.decode(errors="replace").strip() != text.strip():
        add = ("notes", f"--ref={ref}", "add", "--force", "--file=-", commit)
        repository.run(*add, stdin=text.encode(), env=environment, writes=True)
