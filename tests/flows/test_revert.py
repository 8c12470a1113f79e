"""`git revert` undoes a step: the tree is the earlier one byte for byte, and the release continues from there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.commands import Checkout
from tests.support.ten_steps import APPS, STEPS, ten_steps

LATER = "2026-03-01T23:00:00Z"


class History(Checkout):
    """Return a copy of the repository with the ten commits."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def revert(self, commit: str) -> bool:
        """Revert a commit with git; return whether that succeeded."""
        command = ["git", "revert", "--no-edit", commit]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            self.git("revert", "--abort")
        return done.returncode == 0

    def tree(self, place: str = "", at: str = "HEAD") -> str:
        """Return the hash of a folder's tree in a commit."""
        return self.git("rev-parse", f"{at}:{place}").strip()

    def app_trees(self, app: str) -> set[str]:
        """Return every tree in the history of an app's folder."""
        folder = f"environments/{app}"
        commits = self.git("log", "--format=%H", "--", folder).split()
        return {self.tree(folder, commit) for commit in commits}

    def check_whole(self, app: str) -> None:
        """Check that an app is in an earlier state, and that its release continues from there."""
        assert self.tree(f"environments/{app}") in self.app_trees(app)
        degraded = "abort: true" in (self.root / f"environments/{app}/status.yaml").read_text(encoding="utf-8")
        self.run("status", app, "--now", LATER, code=int(degraded))
        self.run("render", "--check", app)
        self.run("advance", app, "--now", LATER, "--no-validate")
        self.run("render", "--check", app)
        assert self.git("status", "--porcelain") == ""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return ten_steps(tmp_path_factory.mktemp("released") / "repo")


def copy(released: Checkout, folder: Path) -> History:
    shutil.copytree(released.root, folder, symlinks=True)
    return History(folder)


def test_a_revert_gives_the_tree_of_the_step_before_byte_for_byte(released: Checkout, tmp_path: Path) -> None:
    for back, step in enumerate(reversed(STEPS)):
        history = copy(released, tmp_path / str(back))
        history.git("reset", "--quiet", "--hard", f"HEAD~{back}")
        assert history.revert("HEAD")
        assert history.tree() == history.tree(at="HEAD~2"), step
        history.check_whole("prod/api" if "prod/api" in step else "prod/web")


def test_all_steps_reverted_one_by_one_leave_the_start(released: Checkout, tmp_path: Path) -> None:
    history = copy(released, tmp_path / "repo")
    last = history.head
    for back in range(len(STEPS)):
        assert history.revert(f"{last}~{back}")
        assert history.tree() == history.tree(at=f"{last}~{back + 1}")
    for app in APPS:
        history.check_whole(app)


def test_a_revert_of_a_revert_is_the_step_again(released: Checkout, tmp_path: Path) -> None:
    history = copy(released, tmp_path / "repo")
    before = history.tree()
    assert history.revert("HEAD")
    assert history.revert("HEAD")
    assert history.tree() == before
    history.check_whole("prod/web")


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_suffix_reverted_in_any_order_ends_as_the_apps_once_stood(
    released: Checkout, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    length = data.draw(st.integers(2, len(STEPS)), label="commits of the suffix")
    order = data.draw(st.permutations(range(length)), label="order")
    history = copy(released, tmp_path_factory.mktemp("reverted") / "repo")
    last, accepted = history.head, 0
    for back in order:
        accepted += history.revert(f"{last}~{back}")
    assert accepted, "git takes back the last commit of an app at any time"
    assert history.git("status", "--porcelain") == ""
    for app in APPS:
        history.check_whole(app)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_commit_of_a_source_can_be_reverted_too(tmp_path: Path, order: tuple[int, ...]) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T08:00:00Z")
    stable = checkout.replicas("prod/web")
    checkout.edit("environments/prod/web/rollout.yaml", "web:1.0.0 #", "web:2.0.0 #")
    checkout.commit("Release 2.0.0")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T09:00:00Z")
    checkout.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    history, last = History(checkout.root), checkout.head
    accepted = [back for back in order if history.revert(f"{last}~{back}")]
    history.run("status", "prod/web", "--now", LATER)
    for hour in range(11, 16):
        history.run("advance", "prod/web", "--no-validate", "--now", f"2026-03-01T{hour}:00:00Z")
        history.run("promote", "prod/web", "--no-validate", "--now", f"2026-03-01T{hour}:30:00Z")
    history.run("render", "--check", "prod/web")
    serving = {image: replicas for image, replicas in history.replicas("prod/web").items() if replicas}
    assert serving == (stable if 2 in accepted else {"2.0.0": 5})
