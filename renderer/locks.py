"""Locks that git leaves in a repository when it is killed (shell).

Git takes a lock by making a file, and nothing in that file says whose it is.  So a lock counts as left behind only
where it is ours by owner and age (made by our user, since the interrupted run began to write) and no git of ours is
alive in the repository.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from renderer.git import Repository


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
    """Yield what git locks while it commits: the index, the branch, HEAD, and the index that is to be the next one."""
    branch = repository.head.branch
    refs = [Path("HEAD.lock")] + ([Path("refs", "heads", f"{branch}.lock")] if branch else [])
    candidates = [repository.git_dir / "index.lock", *sorted(repository.git_dir.glob("next-index-*.lock"))]
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
            if name.isdigit() and Path("/proc", name, "comm").read_text().startswith("git"):
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
