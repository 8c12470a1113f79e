"""Locks of a repository: one rollstep at a time, and the lock files of a killed git.

Rollstep's own lock is the kernel's, which ends with its process.  Git's lock is a file that names no owner, so
rollstep removes one only if this user created it after the interrupted run began to write, and no git of this user is
alive in the repository.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from renderer.errors import Finding, RollstepError
from renderer.git.hook import is_in_own_commit
from renderer.git.index import COMMIT_INDEX
from renderer.git.repository import Repository

PATIENCE = 120.0
"""The seconds that a run waits for another run in the same repository."""


def lock_repository(repository: Repository, report: Callable[[str], object], patience: float = PATIENCE) -> int:
    """Lock the repository with all its work trees; return the descriptor whose closing ends the lock.

    Passes one line to ``report`` if it has to wait for another run.  Raises RollstepError after ``patience`` seconds,
    and at once in a hook of that run's own commit, which waits for the hook.
    """
    if is_in_own_commit(repository.root):
        message = "a hook of rollstep's own commit runs a command that commits"
        hint = "take it out of the hook; `rollstep render` and commands that only read may run there"
        raise RollstepError([Finding(str(repository.root), 0, 0, "", message, hint)])
    descriptor = os.open(repository.common_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end, reported = time.monotonic() + patience, False
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            if time.monotonic() >= end:
                message = f"another rollstep has been changing this repository for {patience:g} seconds"
                hint = "wait for it, and run the command again"
                raise RollstepError([Finding(str(repository.root), 0, 0, "", message, hint)])
            if not reported:
                report("waiting for another rollstep in this repository")
            reported = True
            time.sleep(0.05)
    except BaseException:
        os.close(descriptor)
        raise


def remove_stale_locks(repository: Repository, since: float) -> tuple[Path, ...]:
    """Remove the lock files of a killed git and return the other lock files.

    ``since`` is the time at which the interrupted run began to write, in seconds of the epoch: an older lock is
    somebody else's.  While a git of this user runs in the repository, every lock stays.
    """
    locks = _lock_files(repository)
    if not locks or _git_is_alive(repository):
        return tuple(locks)
    left = []
    for lock in locks:
        with suppress(FileNotFoundError):
            found = lock.lstat()
            if found.st_uid == os.geteuid() and found.st_mtime >= since:
                lock.unlink()
            else:
                left.append(lock)
    return tuple(left)


def _lock_files(repository: Repository) -> list[Path]:
    """Return the existing lock files of a commit: of its indexes, of HEAD and the branch, and of the maintenance."""
    branch = repository.head.branch
    refs = ["HEAD.lock"] + ([f"refs/heads/{branch}.lock"] if branch else [])
    own, common = repository.git_dir, repository.common_dir
    candidates = [own / name for name in ("index.lock", "index.lock.lock", f"{COMMIT_INDEX}.lock", *refs)]
    # With a stale maintenance lock git would never pack its objects again.
    candidates += [common / name for name in ("objects/maintenance.lock", *refs)]
    return [path for path in dict.fromkeys(candidates) if os.path.lexists(path)]


def _git_is_alive(repository: Repository) -> bool:
    """Return whether a git of this user runs in the repository; without /proc, whether any git runs."""
    if not os.path.isdir("/proc/self/cwd"):
        return _any_git_is_alive()
    places = (repository.root, repository.git_dir, repository.common_dir)
    for name in os.listdir("/proc"):
        # The process may have ended meanwhile, and another user's cannot be read.
        with suppress(OSError):
            if name.isdigit() and Path("/proc", name, "comm").read_bytes().startswith(b"git"):
                folder = Path(os.readlink(f"/proc/{name}/cwd"))
                if any(folder.is_relative_to(place) for place in places):
                    return True
    return False


def _any_git_is_alive() -> bool:
    ps = shutil.which("ps")
    if ps is None:
        return True
    listed = subprocess.run([ps, "-axo", "comm="], capture_output=True, text=True, check=False).stdout
    return any(os.path.basename(line.strip()).startswith("git") for line in listed.splitlines())
