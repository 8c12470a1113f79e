"""The steps that a branch has and its remote lacks, and the commits that the remote has taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from renderer.git.repository import Repository
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.publish.unpushed import UnpushedStep, taken_back, unpushed_steps

STATUS = "environments/prod/{}/status.yaml"
APPS = {STATUS.format(name): AppRef("prod", name, Path(f"environments/prod/{name}")) for name in ("web", "api")}


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def step(root: Path, app: str, subject: str, verb: str = "advance") -> str:
    path = root / STATUS.format(app)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{subject}\n", encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", f"--message={subject}\n\nRollstep-Verb: {verb}")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose remote has the first step of web."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "there"))
    made = tmp_path / "here"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(made))
    git(made, "remote", "add", "origin", str(tmp_path / "there"))
    step(made, "web", "web 1")
    git(made, "push", "--quiet", "origin", "main")
    return made


def unpushed(root: Path, branch: str = "main") -> dict[str, UnpushedStep]:
    found = unpushed_steps(Repository.open(root), branch, "origin", APPS)
    return {ref.name: each for ref, each in found.items()}


def test_the_newest_step_of_each_app(root: Path) -> None:
    assert unpushed(root) == {}
    step(root, "web", "web 2")
    api = step(root, "api", "api 1", "set image")
    web = step(root, "web", "web 3", "promote")
    git(root, "commit", "--quiet", "--allow-empty", "--message=No step")
    assert unpushed(root) == {
        "api": UnpushedStep(api, "api 1", "set image"),
        "web": UnpushedStep(web, "web 3", "promote"),
    }


def test_a_merge_brings_a_step(root: Path) -> None:
    git(root, "switch", "--quiet", "--create", "other")
    step(root, "web", "web 2")
    git(root, "switch", "--quiet", "main")
    git(root, "merge", "--quiet", "--no-ff", "--message=Merge", "other")
    assert unpushed(root) == {"web": UnpushedStep(git(root, "rev-parse", "HEAD"), "Merge", "")}


def test_a_new_branch_counts_from_the_branches_of_the_remote(root: Path) -> None:
    git(root, "switch", "--quiet", "--create", "feature")
    assert unpushed(root, "feature") == {}
    sha = step(root, "web", "web 2")
    assert unpushed(root, "feature") == {"web": UnpushedStep(sha, "web 2", "advance")}
    assert unpushed(root, "main") == {}
    assert unpushed(root, "no-such-branch") == {}


def test_a_remote_without_branches_lacks_nothing(root: Path) -> None:
    git(root, "update-ref", "-d", "refs/remotes/origin/main")
    assert unpushed(root) == {}


@pytest.mark.parametrize(
    ("pushed", "verb", "ends"),
    [
        ("promote", "advance", True),
        ("", "advance", True),
        ("promote", "promote", True),
        ("advance", "promote", False),
        ("set image", "set image", False),
        ("abort", "abort", False),
        ("promote", "abort", False),
    ],
)
def test_a_push_alone_ends_some_verbs(pushed: str, verb: str, ends: bool) -> None:
    assert UnpushedStep("", "", pushed).ends(verb) is ends


def test_what_the_remote_took_back(root: Path) -> None:
    first = git(root, "rev-parse", "HEAD")
    lost = [step(root, "web", "web 2"), step(root, "web", "web 3")]
    git(root, "push", "--quiet", "origin", "main")
    git(root, "push", "--quiet", "--force", "origin", f"{first}:main")
    step(root, "web", "Mine")
    repository = Repository.open(root)
    assert [commit.sha for commit in taken_back(repository, "main", "origin")] == lost[::-1]
    git(root, "push", "--quiet", "origin", f"{lost[0]}:main")
    assert [commit.sha for commit in taken_back(repository, "main", "origin")] == [lost[1]]
    git(root, "push", "--quiet", "origin", "main")
    assert taken_back(repository, "main", "origin") == ()


def test_commits_that_the_remote_never_had_were_not_taken_back(root: Path) -> None:
    step(root, "web", "web 2")
    repository = Repository.open(root)
    assert taken_back(repository, "main", "origin") == ()
    assert taken_back(repository, "no-such-branch", "origin") == ()
