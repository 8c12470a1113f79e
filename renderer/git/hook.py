"""The git hook that has started this process, as far as a process can know it."""

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
    """Return whether a hook of ``git commit`` has started this process; False for a hook of a merge or a rebase."""
    return bool(_commit_command())


def is_in_amend() -> bool:
    """Return whether a hook of ``git commit --amend`` has started this process."""
    return any("--amend".startswith(word) and len(word) > len("--a") for word in _commit_command())


def _commit_command() -> list[str]:
    """Return the command line of the ``git commit`` that has started this process; empty without one.

    Git tells its hooks neither the command nor its options.
    """
    # Git sets it for the hooks of a commit, and other processes need no search.
    if "GIT_INDEX_FILE" not in os.environ:
        return []
    names_of_git = ("git", "git-commit")
    found = next((words for words in _ancestors() if words and os.path.basename(words[0]) in names_of_git), [])
    return found if "commit" in found or (found and os.path.basename(found[0]) == "git-commit") else []


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
