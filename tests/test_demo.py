"""The demo needs the libraries and the checkout, and nothing of rollstep installed; its recording is up to date."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.demo import record

PROGRAM = """
import sys
from pathlib import Path
from tests.demo import Demo
demo = Demo(Path(sys.argv[1]))
demo.run("advance", "dev/web", "--no-validate")
demo.run("get", "dev/web")
"""


def test_the_demo_runs_where_only_the_libraries_are_installed(project: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    paths = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    own = Path(sysconfig.get_path("purelib", vars=paths))
    # The folder that it names is searched, but not for files like it, such as that of an editable install.
    (own / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    python, repository = str(tmp_path / "venv/bin/python"), tmp_path / "repository"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    alone = subprocess.run([python, "-c", "import click, renderer"], cwd=tmp_path, env=variables, capture_output=True)
    assert b"No module named 'renderer'" in alone.stderr

    command = [python, "-c", PROGRAM, str(repository)]
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "$ rollstep get dev/web" in done.stdout
    assert (repository / "environments/dev/web/status.yaml").is_file()


def test_the_recording_is_what_the_demo_prints(project: Path) -> None:
    hint = 'make demo ARGS="--record docs/demo.svg" records it again'
    assert (project / "docs" / "demo.svg").read_text(encoding="utf-8") == record(), hint
