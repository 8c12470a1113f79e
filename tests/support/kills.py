"""Kills a command at its Nth change of a file, and runs it again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

from tests.support.commands import NOON, PROJECT, Checkout


@dataclass(frozen=True, slots=True)
class Sweep:
    """A repository before ``command``, and its content after an uninterrupted run."""

    before: Path
    command: tuple[str, ...]
    tree: str
    commits: int
    points: int

    @classmethod
    def of(cls, checkout: Checkout, folder: Path, *command: str) -> Sweep:
        """Run ``command`` in a copy, to the end."""
        words = (*command, "--now", NOON, "--no-validate")
        copy = copy_of(checkout.root, folder)
        said = killed(copy, words, at=0)
        points, code = map(int, said.splitlines()[-1].split())
        assert code == 0, said
        tree, commits = git(copy, "rev-parse", "HEAD^{tree}"), int(git(copy, "rev-list", "--count", "HEAD"))
        assert commits > int(git(checkout.root, "rev-list", "--count", "HEAD"))
        return cls(checkout.root, words, tree, commits, points)

    def check(self, at: int, folder: Path) -> bool:
        """Kill the command at its change number ``at``, and expect that the next run completes it.

        Returns whether the command was killed: git refreshes its index if a file is as new as the index, so the number
        of changes differs between runs, and one may end before ``at``.
        """
        copy = copy_of(self.before, folder)
        said = killed(copy, self.command, at=at)
        code = int(said.splitlines()[-1].split()[1])
        assert code in (-9, 0), f"killed at change {at} of {self.points}\n{said}"
        again = run(copy, self.command)
        place = f"killed at change {at} of {self.points} ({said})\n{again.stdout}{again.stderr}"
        assert again.returncode == 0, place
        assert git(copy, "rev-parse", "HEAD^{tree}") == self.tree, place
        assert int(git(copy, "rev-list", "--count", "HEAD")) == self.commits, place
        assert git(copy, "status", "--porcelain", "--ignored") == "", place
        assert [path for path in copy.rglob("*") if path.name.endswith(".lock") or "journal" in path.name] == [], place
        assert git(copy, "fsck", "--strict", "--no-dangling") == "", place
        shutil.rmtree(copy)
        return code == -9

    def check_all(self, folder: Path) -> int:
        """Kill the command at every change until a run ends by itself; return the number of kills."""
        with ThreadPool(os.cpu_count()) as pool:
            died = sum(pool.imap_unordered(lambda at: self.check(at, folder / str(at)), range(1, self.points + 1)))
        at = self.points + 1
        while self.check(at, folder / str(at)):
            died += 1
            at += 1
        return died


def copy_of(root: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root, folder, symlinks=True)
    # The copied files have other inodes, so git's index is refreshed.
    git(folder, "status", "--porcelain")
    return folder


def killed(root: Path, command: tuple[str, ...], *, at: int) -> str:
    tracer = [sys.executable, "-m", "tests.support.kill_points", str(at), sys.executable, "-m", "renderer", *command]
    done = subprocess.run(tracer, cwd=root, env=variables(), capture_output=True, text=True, check=True)
    return done.stdout


def run(root: Path, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "renderer", *command]
    return subprocess.run(words, cwd=root, env=variables(), capture_output=True, text=True, check=False)


def variables() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
