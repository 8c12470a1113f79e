"""The parents and the whole message of commits, and the commits that a merge brings."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from renderer.git.repository import Commit, Repository

_LOG = ("-c", "log.showSignature=false", "log", "-z", "--no-color", "--encoding=", "--no-walk=unsorted", "--stdin")
_FIELDS = ("%H", "%P", "%B")


class Message(Struct, frozen=True):
    """A commit's parents and its message; ``body`` is the message without its first paragraph."""

    parents: tuple[str, ...]
    body: str


def read_messages(repository: Repository, shas: Sequence[str]) -> dict[str, Message]:
    """Return the message of each commit by its full hash."""
    if not shas:
        return {}
    stdin = "".join(f"{sha}\n" for sha in shas).encode()
    log = repository.run(*_LOG, f"--format={'%x00'.join(_FIELDS)}", stdin=stdin).stdout
    parts = [part.decode(errors="replace") for part in log.split(b"\0")]
    rows = (parts[start : start + len(_FIELDS)] for start in range(0, len(parts) - 2, len(_FIELDS)))
    return {sha: Message(tuple(parents.split()), text.partition("\n\n")[2].strip("\n")) for sha, parents, text in rows}


def merged_commits(repository: Repository, merge: str, parent: str) -> tuple[Commit, ...]:
    """Return the commits that a merge brings to its first parent, newest first, without other merges."""
    listing = repository.run("rev-list", "--topo-order", "--no-merges", f"{parent}..{merge}", "--").stdout
    return repository.commits(listing.decode().split())
