from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from renderer.git.conflicts import OURS, THEIRS, commit_of_side, conflicts, operation
from renderer.git.objects import tree_files
from renderer.git.repository import Repository


def git(folder: Path, *args: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", "-c", "core.editor=true", *args], cwd=folder, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(root: Path, text: str, message: str) -> None:
    (root / "a.txt").write_text(text, encoding="utf-8")
    git(root, "add", "a.txt")
    git(root, "commit", "-qm", message)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose branches main and other have changed one file since their base."""
    git(tmp_path, "init", "-q", "-b", "main")
    put(tmp_path, "base\n", "Base")
    git(tmp_path, "switch", "-qc", "other")
    put(tmp_path, "theirs\n", "Theirs")
    git(tmp_path, "switch", "-q", "main")
    put(tmp_path, "ours\n", "Ours")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "name", "theirs", "ends"),
    [
        (["merge", "other"], "merge", "other", "git commit"),
        (["rebase", "other"], "rebase", "main", "git rebase --continue"),
        (["rebase", "--apply", "other"], "rebase", "main", "git rebase --continue"),
        (["cherry-pick", "other"], "cherry-pick", "other", "git cherry-pick --continue"),
    ],
)
def test_an_operation_has_their_commit(root: Path, command: list[str], name: str, theirs: str, ends: str) -> None:
    commit = git(root, "rev-parse", theirs)
    git(root, *command, check=False)
    found = operation(Repository.open(root))
    assert (found.name, list(found.commits), found.how) == (name, [commit], ends)
    assert found.is_merge == (name == "merge")


def test_a_rebase_swaps_the_words(root: Path) -> None:
    git(root, "rebase", "other", check=False)
    found = operation(Repository.open(root))
    assert (found.ours, found.theirs) == ("the branch that you rebase onto", "the commit of yours that moves")


def test_a_revert_takes_the_state_before_the_reverted_commit(root: Path) -> None:
    put(root, "later\n", "Later")
    git(root, "revert", "--no-edit", "HEAD~1", check=False)
    (commit,) = operation(Repository.open(root)).commits
    assert git(root, "show", f"{commit}:a.txt") == "base"


def test_a_stash_is_found_among_others(root: Path) -> None:
    git(root, "switch", "-q", "--detach", "HEAD~1")
    for text in ("first\n", "second\n"):
        (root / "a.txt").write_text(text, encoding="utf-8")
        git(root, "stash", "push", "-q")
    git(root, "switch", "-q", "main")
    git(root, "stash", "apply", "stash@{1}", check=False)
    repository = Repository.open(root)
    stages, found = conflicts(repository), operation(repository)
    assert found.name == "stash"
    trees = {commit: tree_files(repository, commit) for commit in found.commits}
    side = commit_of_side(stages, THEIRS, found.commits, trees)
    assert git(root, "show", f"{side}:a.txt") == "first"


def test_the_stages_are_those_of_the_index(root: Path) -> None:
    git(root, "merge", "other", check=False)
    repository = Repository.open(root)
    (stages,) = conflicts(repository).values()
    texts = {stage: git(root, "cat-file", "blob", file.sha) for stage, file in stages.items()}
    assert texts == {1: "base", OURS: "ours", THEIRS: "theirs"}
    git(root, "merge", "--abort")
    assert conflicts(repository) == {}


def test_a_deleted_file_is_a_side_too(root: Path) -> None:
    git(root, "switch", "-q", "other")
    git(root, "rm", "-q", "a.txt")
    git(root, "commit", "-qm", "Delete it")
    deleted = git(root, "rev-parse", "HEAD")
    git(root, "switch", "-q", "main")
    git(root, "merge", "other", check=False)
    repository = Repository.open(root)
    stages = conflicts(repository)
    commits = [git(root, "rev-parse", "HEAD"), deleted]
    trees = {commit: tree_files(repository, commit) for commit in commits}
    assert commit_of_side(stages, THEIRS, commits, trees) == deleted
    assert commit_of_side(stages, OURS, commits, trees) == commits[0]
    assert commit_of_side(stages, OURS, [], trees) == ""
