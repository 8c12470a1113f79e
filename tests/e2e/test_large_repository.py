"""A repository of 100,000 files: every verb works, and starts no more git processes than in a small one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.commands import NOON, TWO, Checkout

FILES = 100_000
LATER = "2026-03-01T12:01:00Z"
STEP = ("prod/web", "--no-validate", "--now")
COMMANDS: Sequence[tuple[str, ...]] = (
    ("advance", *STEP, NOON),
    ("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON),
    ("promote", *STEP, LATER, "--push"),
    ("status", "prod/web", "--now", LATER),
    ("abort", *STEP, LATER, "--push"),
    ("freeze", "add", "--until", "2026-03-02T00:00:00Z", "--reason", "Sale", "--now", LATER, "--push"),
    ("render", "prod/web", "--check", "--no-validate"),
    ("history", "prod/web"),
    ("verify", "HEAD~4..HEAD"),
)


def small(folder: Path) -> Checkout:
    """Return a repository with a remote of its own."""
    (folder / "repository").mkdir(parents=True)
    checkout = Checkout(folder / "repository")
    checkout.git("clone", "--quiet", "--bare", str(checkout.root), str(folder / "remote"))
    checkout.git("remote", "add", "origin", str(folder / "remote"))
    return checkout


def fill(checkout: Checkout) -> None:
    """Commit ``FILES`` files in 1,000 folders beside the environments, and check them out."""
    lines = ["blob", "mark :1", "data 5", "a: 1", "", "commit refs/heads/main"]
    lines += ["committer rollstep <rollstep@example.com> 1772000000 +0000", "data 4", "Fill", f"from {checkout.head}"]
    # Half of them where the apps are, so that folders are read that rollstep looks into, too.
    lines += [f"M 100644 :1 other/{number % 1000}/{number}.yaml" for number in range(FILES // 2)]
    lines += [f"M 100644 :1 environments/prod/web/.other/{number % 500}/{number}.yaml" for number in range(FILES // 2)]
    command = ["git", "fast-import", "--quiet"]
    subprocess.run(command, cwd=checkout.root, input="\n".join([*lines, "", ""]).encode(), check=True)
    checkout.git("reset", "--quiet", "--hard", "main")


def processes(checkout: Checkout, command: tuple[str, ...], folder: Path) -> int:
    """Run ``command`` and return how many gits it started, in the repository or on the remote."""
    folder.mkdir()
    # Each process of git writes a file of its own into a folder.
    checkout.process(*command, GIT_TRACE2_EVENT=str(folder))
    count = len(list(folder.iterdir()))
    shutil.rmtree(folder)
    return count


def test_a_hundred_thousand_files(tmp_path: Path) -> None:
    few, many = small(tmp_path / "few"), small(tmp_path / "many")
    fill(many)
    assert len(many.git("ls-files").splitlines()) > FILES
    many.git("push", "--quiet", "origin", "main")
    # What is not committed among them is left alone.
    (many.root / "other" / "0" / "mine.txt").write_text("mine\n", encoding="utf-8")
    told = []
    for command in COMMANDS:
        counts = [processes(checkout, command, tmp_path / "trace") for checkout in (few, many)]
        told.append(f"{' '.join(command[:2])}: {counts[1]}")
        assert counts[0] == counts[1], command
    assert sum(int(line.rpartition(" ")[2]) for line in told) > 0
    assert many.git("status", "--porcelain").strip() == "?? other/0/mine.txt"
    assert many.git("rev-parse", "origin/main") == many.git("rev-parse", "main")
    print(f"\ngit processes beside {FILES} files, as many as without them: {', '.join(told)}")
