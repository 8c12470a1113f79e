"""Every other Python on this machine that rollstep supports makes the same trees of the same sources."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PROJECT, Checkout
from tests.support.ten_steps import STEPS, ten_steps

OTHERS = ("3.11", "3.12", "3.13", "3.14", "3.15")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return ten_steps(tmp_path_factory.mktemp("released") / "repo")


def interpreter(version: str) -> str | None:
    """Return the Python of that version, on PATH or where pyenv keeps it; None where there is none that runs."""
    home = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser()))
    kept = sorted(home.glob(f"versions/{version}.*/bin/python"))
    for command in (*(str(path) for path in kept), f"python{version}"):
        try:
            subprocess.run([command, "-c", "import venv, ensurepip"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return None


@pytest.mark.parametrize("version", OTHERS)
def test_another_python_makes_the_same_trees(released: Checkout, tmp_path: Path, version: str) -> None:
    command = interpreter(version)
    if command is None:
        pytest.skip(f"there is no Python {version} on this machine")
    subprocess.run([command, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(PROJECT)]
    subprocess.run(install, check=True)
    done = subprocess.run(
        [str(tmp_path / "venv/bin/rollstep"), "replay"], cwd=released.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    number = 2 + len(STEPS)
    assert f"{number} commits replayed, {number} with the same tree" in done.stderr
