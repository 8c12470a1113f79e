"""Gitea, built from its Go module once and kept in ``.tools/e2e``: the pinned version, with SQLite in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
MODULE = "code.gitea.io/gitea"
STATIC = ("options", "public", "templates")
"""The folders the program reads at run time: the build tag ``bindata`` would need Gitea's own generators."""


def installed() -> Path:
    """Return the folder with the program ``gitea`` and what it reads; build it first, for some minutes, if need be."""
    build()
    return _folder()


def build() -> bool:
    """Build it where it is not there; tell whether that was so."""
    if (_folder() / "gitea").is_file():
        return False
    _build(_folder())
    return True


def _folder() -> Path:
    version = re.search(rf"{re.escape(MODULE)} (v\S+)", (HERE / "go.mod").read_text(encoding="utf-8"))
    assert version, "go.mod requires Gitea"
    return PROJECT / ".tools" / "e2e" / f"gitea-{version[1]}"


def _build(folder: Path) -> None:
    go = shutil.which("go")
    assert go, "Gitea is built with Go 1.26 or newer: install it, and put it on PATH"
    work = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}

    def run(*arguments: str) -> str:
        command = ["nice", "-n", "10", go, *arguments]
        done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr[-2000:]}"
        return done.stdout

    tags = "sqlite sqlite_unlock_notify"
    run("build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", str(work / "gitea"), MODULE)
    source = Path(json.loads(run("list", "-m", "-json", MODULE))["Dir"])
    for name in STATIC:
        shutil.copytree(source / name, work / name, copy_function=shutil.copyfile)
    for path in work.rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)


if __name__ == "__main__":
    print(installed())
