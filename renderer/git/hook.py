"""What a process knows about the git hook that has started it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWN_COMMIT = "ROLLSTEP_COMMITS_IN"
"""The variable with the root of the repository in which rollstep commits; its hooks inherit it."""

_DEPTH = 32
"""The most ancestors that are asked: a hook manager puts a few processes between git and its hooks."""


def is_in_own_commit(root: Path) -> bool:
    """Return whether a hook of rollstep's own commit in the repository at ``root`` has started this process."""
    return os.environ.get(OWN_COMMIT) == str(root)


def is_in_commit() -> bool:
    """Return whether a hook of a commit has started this process: git names the commit's index to it."""
    return "GIT_INDEX_FILE" in os.environ


def is_in_amend() -> bool:
    """Return whether a hook of ``git commit --amend`` has started this process.

    Git does not tell a hook, so the command line of its git has to.
    """
    if not is_in_commit():
        return False
    commits = (arguments for arguments in _ancestors() if _is_git_commit(arguments))
    return any("--amend".startswith(word) and len(word) > 3 for word in next(commits, ()))


def _is_git_commit(arguments: list[str]) -> bool:
    return bool(arguments) and os.path.basename(arguments[0]).startswith("git") and "commit" in arguments


def _ancestors() -> Iterator[list[str]]:
    """Yield the command line of each ancestor of this process, the nearest one first."""
    process = os.getppid()
    with suppress(OSError, ValueError, IndexError):
        for _ in range(_DEPTH):
            if process <= 1:
                return
            parent, arguments = _from_proc(process) if os.path.isdir("/proc/self") else _from_ps(process)
            yield arguments
            process = parent


def _from_proc(process: int) -> tuple[int, list[str]]:
    arguments = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    # The name of the program, in parentheses, may have any character; the state and the parent follow it.
    status = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    return int(status[1]), [os.fsdecode(argument) for argument in arguments]


def _from_ps(process: int) -> tuple[int, list[str]]:
    # Loads much, and few systems are without /proc.
    import subprocess

    command = ["ps", "-o", "ppid=,args=", "-p", str(process)]
    parent, *arguments = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return int(parent), arguments
