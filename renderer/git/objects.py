"""Commits that are made beside the work tree: blobs, trees and branches by git's plumbing (shell).

Neither the work tree nor the index is read or written, so what is checked out, staged or edited stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from renderer.errors import Finding, RollstepError
from renderer.git.repository import Repository
from renderer.git.trees import TreeFile, files_of, missing


def tree_files(repository: Repository, ref: str, *paths: str) -> dict[str, TreeFile]:
    """Return the files of ``ref`` in and below ``paths`` (all, without any) by their path from the root, sorted."""
    listing = repository.run("ls-tree", "-r", "-z", "--full-tree", ref, "--", *paths)
    return files_of(listing.stdout)


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
            raise missing(name)
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


def store_blob(repository: Repository, content: bytes, path: str = "") -> str:
    """Store ``content`` and return its object's name; with a ``path`` through the filters that git has for that."""
    place = [f"--path={path}"] if path else []
    return repository.run("hash-object", "-w", *place, "--stdin", stdin=content, writes=True).stdout.decode().strip()


def store_commit(
    repository: Repository,
    tree: str,
    parents: Sequence[str],
    message: str,
    environment: Mapping[str, str],
    *,
    signs: bool,
) -> str:
    """Store a commit and return its hash; ``environment`` has git's variables for who makes it and when.

    It is signed where ``signs``, which ``is_set`` of ``commit.gpgSign`` tells; raises RollstepError where git
    cannot.  No hook runs: those of a commit are for what is checked out.
    """
    arguments = [part for parent in parents for part in ("-p", parent)]
    made = repository.run(
        *("-c", "i18n.commitEncoding=UTF-8", "commit-tree", *(["-S"] if signs else []), *arguments, "-F", "-", tree),
        stdin=message.encode(),
        env=environment,
        check=False,
        writes=True,
    )
    if made.status:
        raise RollstepError([Finding("", 0, 0, "", f"git refused the commit: {made.stderr}", "nothing was committed")])
    return made.stdout.decode().strip()


def is_set(repository: Repository, key: str) -> bool:
    """Tell whether git's configuration has ``key`` as true."""
    return repository.run("config", "--type=bool", "--get", key, check=False).stdout.strip() == b"true"


def tip(repository: Repository, ref: str) -> str | None:
    """Return the commit that the full name ``ref`` (``refs/heads/main``) points at; None where there is no such ref."""
    found = repository.run("rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}", check=False)
    return found.stdout.decode().strip() or None


def has_ref(repository: Repository, ref: str) -> bool:
    """Tell whether there is a ref of the full name ``ref``, whatever it points at."""
    return repository.run("show-ref", "--verify", "--quiet", ref, check=False).status == 0


def is_ancestor(repository: Repository, older: str, newer: str) -> bool:
    """Tell whether ``older`` is ``newer`` or among its ancestors; False where the repository does not have it."""
    return repository.run("merge-base", "--is-ancestor", older, newer, check=False).status == 0


def move_branch(repository: Repository, branch: str, new: str, old: str | None, reason: str) -> None:
    """Set ``branch`` from ``old`` (None: not there) to ``new``.

    Raises RollstepError where it is no longer at ``old``: somebody else has moved it.
    """
    ref = f"refs/heads/{branch}"
    moved = repository.run(
        *("update-ref", "--create-reflog", "-m", f"rollstep: {reason}", ref, new, old or "0" * len(new)),
        check=False,
        writes=True,
    )
    if moved.status:
        hint = "run the command again"
        raise RollstepError([Finding(branch, 0, 0, "", f"the branch has not been moved: {moved.stderr}", hint)])


def add_note(repository: Repository, ref: str, commit: str, text: str, environment: Mapping[str, str]) -> None:
    """Set the note of ``commit`` in ``refs/notes/REF`` to ``text``, unless it says that already."""
    old = repository.run("notes", f"--ref={ref}", "show", commit, check=False)
    if old.status or old.stdout.decode(errors="replace").strip() != text.strip():
        repository.run(
            *("notes", f"--ref={ref}", "add", "--force", "--file=-", commit),
            stdin=text.encode(),
            env=environment,
            writes=True,
        )
