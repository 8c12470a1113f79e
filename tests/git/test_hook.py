"""The command of git whose hook has started a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.git import hook
from tests.support.commands import PROJECT

ASK = "from renderer.git.hook import is_in_amend, is_in_commit; print(is_in_commit(), is_in_amend())"
HOOKS = ("pre-commit", "pre-merge-commit", "post-rewrite", "post-checkout")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose hooks write what they know to a file."""
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=One"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    for name in HOOKS:
        path = tmp_path / ".git/hooks" / name
        path.parent.mkdir(exist_ok=True)
        # A manager of hooks puts processes in between.
        line = f'PYTHONPATH="{PROJECT}" sh -c \'"{sys.executable}" -c "{ASK}" | tail -1\' >> told'
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def told(repository: Path, *command: str) -> str:
    file = repository / "told"
    file.unlink(missing_ok=True)
    subprocess.run(["git", *command], cwd=repository, check=True, capture_output=True)
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("commit", "--allow-empty", "--message=Two"), "True False"),
        (("commit", "--allow-empty", "--message=commit --amend"), "True False"),
        (("commit", "--allow-empty", "--all", "--author=A <a@example.com>", "--message=Two"), "True False"),
        (("commit", "--amend", "--allow-empty", "--no-edit"), "True True"),
        (("commit", "--am", "--allow-empty", "--no-edit"), "True True"),
        (("-c", "alias.again=commit --amend --allow-empty --no-edit", "again"), "True True"),
        (("checkout", "-b", "other"), "False False"),
    ],
)
def test_a_hook_knows_its_command(repository: Path, command: tuple[str, ...], expected: str) -> None:
    found = told(repository, *command).splitlines()
    assert found[0] == expected


def test_a_merge_is_no_commit_of_a_person(repository: Path) -> None:
    told(repository, "checkout", "-b", "other")
    told(repository, "commit", "--allow-empty", "--message=Two")
    told(repository, "checkout", "-")
    assert told(repository, "merge", "--no-ff", "--no-edit", "other") == "False False"


def test_outside_of_a_hook_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hook.is_in_commit()
    monkeypatch.setenv("GIT_INDEX_FILE", "index")
    assert not hook.is_in_amend()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="compares both ways to ask")
def test_ps_says_the_same_as_proc() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert hook._from_ps(process.pid) == (os.getpid(), ["sleep", "60"])
            parent, words = hook._from_proc(process.pid)
            assert (parent, words[:2]) == (os.getpid(), ["sleep", "60"])
        finally:
            process.kill()
