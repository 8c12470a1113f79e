"""A release whose environment has a branch of its own and that is in a timed pause, for tests that push it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.commands import TWO, Checkout

DAY = "2026-03-{:02}T12:00:00Z"
BRANCH = "environments:\n  prod: {commit: {environmentBranch: 'env/${environment}'}}\n"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def branched_release(root: Path, remote: Path) -> Checkout:
    """Return a checkout whose release of 2.0.0 is at 40%, in a pause of ten minutes; ``remote`` has nothing of it."""
    made = Checkout(root)
    made.git("remote", "add", "origin", str(remote))
    text = (made.root / "rollstep.yaml").read_text(encoding="utf-8")
    (made.root / "rollstep.yaml").write_text(text.partition("environments:")[0] + BRANCH, encoding="utf-8")
    made.git("rm", "-rq", "environments/dev")
    made.commit("Give prod a branch")
    made.run("advance", "prod/web", "--now", DAY.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", DAY.format(2), "--no-validate")
    made.run("promote", "prod/web", "--now", DAY.format(3), "--no-validate")
    return made
