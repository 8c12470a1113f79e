"""Commits: one step in a large repository, and all apps of a fleet at once, beside git with the same files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.bench import fleet
from tests.bench.measure import Figure, Row, run, seconds
from tests.bench.place import Place, git
from tests.bench.single import APP

FILES = 100_000


def _mirror(root: Path, mirror: Path, commit: str) -> None:
    """Bring ``mirror`` to ``commit`` of ``root`` and give it the files of ``environments`` that ``root`` has now."""
    git(mirror, "fetch", "--quiet", str(root), commit)
    git(mirror, "reset", "--quiet", "--hard", commit)
    changed = git(root, "diff", "--name-only", "--no-renames", commit, "HEAD").splitlines()
    for name in changed:
        source, target = root / name, mirror / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        else:
            target.unlink()


def _same(root: Path, mirror: Path) -> None:
    """Hold that both made one commit of the same files."""
    assert git(root, "rev-parse", "HEAD^{tree}") == git(mirror, "rev-parse", "HEAD^{tree}")
    assert git(root, "rev-list", "--count", "HEAD") == git(mirror, "rev-list", "--count", "HEAD")


def step_commit(place: Place) -> None:
    """The step of one app in a repository with many other files."""
    files = FILES if place.full else FILES // 10
    if not place.full:
        place.leave_out(f"a step commit in a repository of {FILES:,} files (here: {files:,})")
    root, mirror = place.folder / "large", place.folder / "large-mirror"
    shutil.copytree(place.repository(5, rendered=True), root)
    for folder in range(files // 100):
        (root / f"other/{folder}").mkdir(parents=True)
        for file in range(100):
            (root / f"other/{folder}/{file}").write_text(f"{folder} {file}\n")
    fleet.commit_all(root)
    shutil.copytree(root, mirror)
    git(mirror, "status")
    git(root, "status")
    theirs, ours = [], []
    for turn in range(7 if place.full else 5):
        place.rollstep(root, "set", "image", APP, f"web=registry.example.com/shop/app-00003:{turn + 2}.0.0",
                       "--no-validate")()  # fmt: skip
        before = git(root, "rev-parse", "HEAD")
        ours.append(seconds(place.rollstep(root, "promote", APP, "--no-validate")))
        _mirror(root, mirror, before)
        paths = git(root, "diff", "--name-only", before, "HEAD").splitlines()
        theirs.append(seconds(lambda: run(["git", "commit", "--quiet", "--message=Step", "--", *paths], mirror)))  # noqa: B023
        _same(root, mirror)
        place.rollstep(root, "promote", APP, "--full", "--no-validate")()
    what = f"a step commit in a repository of {files:,} files, without validation"
    place.compare(Row(what, "`git commit` of the same paths", 2, theirs, ours))


def _release(root: Path, version: int) -> None:
    """Commit another image for all apps."""
    for path in (root / "environments/prod").glob("*/rollout.yaml"):
        path.write_text(path.read_text().replace(f":{version}.0.0", f":{version + 1}.0.0"))
    git(root, "commit", "--quiet", "--all", "--message=Sources")


def advance_all(place: Place) -> None:
    """One commit of all apps of a fleet, and how many processes of git that takes."""
    size = 1_000 if place.full else 200
    if not place.full:
        place.leave_out("`advance --all` for 1,000 apps in one commit (here: 200)")
    root, mirror = place.folder / "advanced", place.folder / "advanced-mirror"
    shutil.copytree(place.repository(size, rendered=True), root)
    shutil.copytree(root, mirror)
    command = ["advance", "--all", "--together", "--no-validate"]
    theirs, ours = [], []
    for version in (1, 2, 3):
        _release(root, version)
        before = git(root, "rev-parse", "HEAD")
        ours.append(seconds(place.rollstep(root, *command)))
        _mirror(root, mirror, before)
        theirs.append(seconds(lambda: fleet.commit_all(mirror)))
        _same(root, mirror)
    what = f"`advance --all --together` for {size:,} apps in one commit, without validation"
    place.compare(Row(what, "`git add` and `git commit` of the same files", None, theirs, ours))
    few = place.folder / "few"
    shutil.copytree(place.repository(5, rendered=True), few)
    _release(few, 1)
    _release(root, 4)
    counts = [_processes(place, folder, command) for folder in (few, root)]
    what = f"processes of git that `advance --all --together` starts for {size:,} apps, above those for 5"
    place.hold(Figure(what, counts[1] - counts[0], 0, f"{counts[1] - counts[0]} ({counts[1]} and {counts[0]})"))


def _processes(place: Place, root: Path, command: list[str]) -> int:
    """Run a command with a git first on ``PATH`` that counts how often it is called; return how often."""
    folder, program = place.folder / "counting", shutil.which("git")
    folder.mkdir(exist_ok=True)
    log, script = folder / f"{root.name}.log", folder / "git"
    script.write_text(f'#!/bin/sh\necho called >> "{log}"\nexec "{program}" "$@"\n')
    script.chmod(0o755)
    place.rollstep(root, *command)(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
    return len(log.read_text().splitlines())
