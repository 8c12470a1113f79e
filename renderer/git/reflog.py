"""The reflogs of branches: the commits that a remote's or a server's branch had, and the time of each move."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from renderer.git.repository import Repository

_ENTRIES = 200
"""The most entries of a reflog that are read."""
_COMMITS = 2000
"""The most commits of a branch that are looked for in its reflog."""
_PUSH = "update by push"


class Entry(NamedTuple):
    """A commit at which a ref was, with the time (UTC) and the reason of the move to it.

    The reason is empty for the commit before the oldest move, with the time of that move.
    """

    sha: str
    time: datetime
    reason: str


def reflog(repository: Repository, ref: str) -> list[Entry]:
    """Return the last moves of the full ref name ``ref``, oldest first; empty without a reflog."""
    options = ("--no-show-signature", "--date=unix", "--format=%H %gd %gs", f"--max-count={_ENTRIES}")
    listed = repository.run("log", "-g", *options, ref, "--", check=False).stdout.decode(errors="replace")
    moves = [_entry(line) for line in reversed(listed.splitlines())]
    # git takes one more than the number of moves for the commit before them.
    before = ("rev-parse", "--quiet", "--verify", f"{ref}@{{{len(moves)}}}^{{commit}}")
    if moves and (sha := repository.run(*before, check=False).stdout.decode().strip()):
        moves.insert(0, Entry(sha, moves[0].time, ""))
    return moves


def pushes(repository: Repository) -> dict[str, datetime]:
    """Return the commits that this clone has pushed to HEAD's branch, with the time (UTC) of the push."""
    branch, times = repository.head.branch, dict[str, datetime]()
    listed = repository.run("for-each-ref", "--format=%(refname)", f"refs/remotes/*/{branch}").stdout.decode()
    for ref in listed.split():
        times |= _moves(repository, ref, _PUSH) | times
    return times


def arrivals(repository: Repository, branch: str | None = None) -> dict[str, datetime]:
    """Return the commits that came to a branch (HEAD's by default), with the time (UTC), by this repository's record.

    That are the moves of a bare repository's own branch, and the pushes of any other clone.
    """
    if not repository.is_bare:
        return pushes(repository)
    name = branch or repository.head.branch
    return _moves(repository, f"refs/heads/{name}", "") if name else {}


def _moves(repository: Repository, ref: str, reason: str) -> dict[str, datetime]:
    """Return the commits that the moves of a ref with this ``reason`` (any, if empty) brought, with their times."""
    times = dict[str, datetime]()
    moves = [(before, after) for before, after in pairwise(reflog(repository, ref)) if reason in ("", after.reason)]
    if not moves:
        return times
    listed = repository.run("rev-list", "--first-parent", f"--max-count={_COMMITS}", ref).stdout.decode().split()
    places = {sha: place for place, sha in enumerate(listed)}
    for before, after in moves:
        if {before.sha, after.sha} <= places.keys():
            pushed = listed[places[after.sha] : places[before.sha]]
            times |= dict.fromkeys(pushed, after.time) | times
    return times


def _entry(line: str) -> Entry:
    sha, name, reason = line.split(" ", 2)
    return Entry(sha, datetime.fromtimestamp(int(name.rpartition("{")[2].rstrip("}")), UTC), reason)
