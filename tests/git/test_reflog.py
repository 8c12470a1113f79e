"""Reflogs of remote-tracking branches: what the remote had, and what was pushed when."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from renderer.git.reflog import pushes, reflog
from renderer.git.repository import Repository

MAIN = "refs/remotes/origin/main"


def git(root: Path, *arguments: str, day: int = 1) -> str:
    date = f"2026-03-{day:02}T12:00:00Z"
    command = ["env", f"GIT_COMMITTER_DATE={date}", f"GIT_AUTHOR_DATE={date}", "git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, day: int) -> str:
    git(root, "commit", "--quiet", "--allow-empty", f"--message=Day {day}", day=day)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of a repository with one commit."""
    source, there, here = tmp_path / "source", tmp_path / "there", tmp_path / "here"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(source))
    commit(source, 1)
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(there))
    git(tmp_path, "clone", "--quiet", str(there), str(here))
    return here


def at(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=UTC)


def test_a_new_clone_has_no_moves(clone: Path) -> None:
    repository = Repository.open(clone)
    assert [entry.reason for entry in reflog(repository, MAIN)] in ([], ["", "clone"])
    assert reflog(repository, "refs/remotes/origin/none") == []
    assert pushes(repository) == {}


def test_the_commit_before_the_first_move_is_known(clone: Path) -> None:
    first, second = git(clone, "rev-parse", "HEAD"), commit(clone, 2)
    git(clone, "push", "--quiet", "origin", "main", day=3)
    git(clone, "push", "--quiet", "--force", "origin", f"{first}:main", day=4)
    entries = reflog(Repository.open(clone), MAIN)
    assert [entry.sha for entry in entries] == [first, second, first]
    assert [entry.time for entry in entries[1:]] == [at(3), at(4)]


def test_a_commit_has_the_time_of_the_first_push_that_had_it(clone: Path) -> None:
    first, second, third = git(clone, "rev-parse", "HEAD"), commit(clone, 2), commit(clone, 3)
    git(clone, "push", "--quiet", "origin", "main", day=5)
    fourth = commit(clone, 6)
    git(clone, "push", "--quiet", "origin", "main", day=7)
    found = pushes(Repository.open(clone))
    assert found == {second: at(5), third: at(5), fourth: at(7)}
    assert first not in found


def test_what_was_fetched_was_not_pushed(clone: Path) -> None:
    other = clone.parent / "other"
    git(clone.parent, "clone", "--quiet", str(clone.parent / "there"), str(other))
    fetched = commit(other, 2)
    git(other, "push", "--quiet", "origin", "main", day=2)
    git(clone, "pull", "--quiet", day=3)
    mine = commit(clone, 4)
    git(clone, "push", "--quiet", "origin", "main", day=5)
    assert pushes(Repository.open(clone)) == {mine: at(5)}
    assert fetched not in pushes(Repository.open(clone))


def test_another_branch_and_a_detached_head_have_no_pushes(clone: Path) -> None:
    commit(clone, 2)
    git(clone, "push", "--quiet", "origin", "main", day=3)
    git(clone, "switch", "--quiet", "--create", "other")
    assert pushes(Repository.open(clone)) == {}
    git(clone, "switch", "--quiet", "--detach")
    assert pushes(Repository.open(clone)) == {}
