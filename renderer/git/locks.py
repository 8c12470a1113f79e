"""Who may write in a repository: one rollstep at a time, and the locks that a killed git left (shell).

Git takes a lock by making a file, and nothing in that file says whose it is.  So a lock counts as left behind only
where it is ours by owner and age (made by our user, since the interrupted run began to write) and no git of ours is
alive in the repository.  Our own lock is the kernel's: it ends with whoever holds it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from renderer.errors import Finding, RollstepError
from renderer.git.index import COMMIT_INDEX
from renderer.git.repository import Repository

PATIENCE = 120.0
"""For how many seconds a run waits for another one in the same repository."""


def wait_for_turn(repository: Repository, tell: Callable[[str], object], patience: float = PATIENCE) -> int:
    """Lock the repository, all its work trees, against other runs; return the descriptor whose closing lets it go.

    Another run that holds it is waited for, which ``tell`` is told, for ``patience`` seconds.  Raises RollstepError
    after that.
    """
    descriptor = os.open(repository.common_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end, told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                message = f"another rollstep has been changing this repository for {patience:g} seconds"
                finding = Finding(str(repository.root), 0, 0, "", message, "wait for it, and run the command again")
                raise RollstepError([finding]) from None
            if not told:
                tell("waiting for another rollstep in this repository")
            told = True
            time.sleep(0.05)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor


def clear_left_behind(repository: Repository, since: float) -> tuple[Path, ...]:
    """Remove the locks that a killed git left in ``repository`` and return those that stay.

    ``since`` is when the interrupted run began to write, in seconds of the epoch: a lock that is older is somebody
    else's, and so is every lock while a git of this user runs in the repository.
    """
    locks = tuple(_locks(repository))
    if not locks or _git_is_alive(repository):
        return locks
    stay = []
    for lock in locks:
        with suppress(FileNotFoundError):
            found = lock.lstat()
            if found.st_uid == os.geteuid() and found.st_mtime >= since:
                lock.unlink()
            else:
                stay.append(lock)
    return tuple(stay)


def _locks(repository: Repository) -> Iterator[Path]:
    """Yield what is locked for a commit: the index, the next one, the branch and HEAD; and its housekeeping."""
    branch = repository.head.branch
    refs = [Path("HEAD.lock")] + ([Path("refs", "heads", f"{branch}.lock")] if branch else [])
    names = ("index.lock", "index.lock.lock", f"{COMMIT_INDEX}.lock")
    candidates = [repository.git_dir / name for name in names]
    # After a commit git looks whether its objects need packing, which an old lock would put off for ever.
    candidates.append(repository.common_dir / "objects" / "maintenance.lock")
    candidates += [folder / ref for folder in (repository.git_dir, repository.common_dir) for ref in refs]
    yield from dict.fromkeys(path for path in candidates if os.path.lexists(path))


def _git_is_alive(repository: Repository) -> bool:
    """Tell whether a git that this user started runs in the repository; where that cannot be told, whether any does."""
    if not os.path.isdir("/proc/self/cwd"):
        return _any_git_is_alive()
    places = (repository.root, repository.git_dir, repository.common_dir)
    for name in os.listdir("/proc"):
        # A process that has ended meanwhile, or that is another user's, is none of ours.
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
