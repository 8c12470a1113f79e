"""What was compiled of the packaged templates is used where it is whole, and costs nothing but time where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
from jinja2 import Environment
compiled = []
compile = Environment.compile
Environment.compile = lambda self, source, name=None, *rest, **more: (
    compiled.append(name), compile(self, source, name, *rest, **more))[1]
from renderer.pipeline.render.templates import fill
text = fill("kustomization.yaml.j2", None, {"context": {"source": "web"}, "files": ["a.yaml", "b.yaml"]})
print(json.dumps([compiled, text]))
"""
NAME = "kustomization.yaml.j2"


def run(folder: Path, **variables: str) -> tuple[list[str], str]:
    """Fill a template in an interpreter that keeps bytecode in ``folder``; return what was compiled, and the text."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-X", f"pycache_prefix={folder}", "-c", PROGRAM]
    done = subprocess.run(command, env={**kept, **variables}, capture_output=True, text=True, check=True)
    compiled, text = json.loads(done.stdout)
    return compiled, text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file that is kept of a template that was filled once."""
    compiled, text = run(tmp_path)
    assert compiled == [NAME]
    assert "- a.yaml\n- b.yaml\n" in text
    (found,) = tmp_path.rglob("kustomization.yaml.cpython-*.pyc")
    return found


@pytest.mark.usefixtures("file")
def test_a_template_is_compiled_once(tmp_path: Path) -> None:
    assert run(tmp_path)[0] == []


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 4000])
def test_a_damaged_file_is_made_anew(file: Path, tmp_path: Path, content: bytes) -> None:
    whole = file.read_bytes()
    for damaged in (content, whole[:-5], whole[:40] + b"\0" + whole[41:]):
        file.write_bytes(damaged)
        compiled, text = run(tmp_path)
        assert compiled == [NAME]
        assert "- a.yaml\n- b.yaml\n" in text
        assert file.read_bytes() == whole


def test_nothing_is_kept_where_the_interpreter_keeps_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, PYTHONDONTWRITEBYTECODE="1")[0] == [NAME]
    assert list(tmp_path.rglob("*.yaml.*")) == []


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    assert run(tmp_path / "taken")[0] == [NAME]
