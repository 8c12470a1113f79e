"""`rollstep replay` makes the same trees in every environment, and writes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import Checkout
from tests.support.ten_steps import STEPS, ten_steps

WEB = "environments/prod/web"
CANARY = f"{WEB}/rendered/ingress-web-web-canary.yaml"


class Copy(Checkout):
    """A copy of a repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def everything(self) -> dict[str, bytes]:
        """Return every file, with those of git."""
        paths = sorted(path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with ten steps, two reverts, a merge, and a change of a manifest."""
    checkout = ten_steps(tmp_path_factory.mktemp("released") / "repo")
    checkout.git("revert", "--no-edit", "HEAD")
    checkout.git("revert", "--no-edit", "HEAD~2")
    checkout.git("switch", "--quiet", "--create", "step")
    checkout.run("promote", "prod/web", "--full", "--no-validate", "--now", "2026-03-02T10:00:00Z")
    checkout.git("switch", "--quiet", "main")
    (checkout.root / "README.md").write_text("Read me.\n", encoding="utf-8")
    checkout.edit(f"{WEB}/configmap.yaml", "data:", "data:\n  COLOUR: blue")
    checkout.commit("Add a colour")
    checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "step")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-02T11:00:00Z")
    return checkout


@pytest.fixture
def copy(released: Checkout, tmp_path: Path) -> Copy:
    shutil.copytree(released.root, tmp_path / "repo", symlinks=True)
    return Copy(tmp_path / "repo")


def test_every_tree_is_the_same_and_nothing_is_written(copy: Copy) -> None:
    before = copy.everything()
    told = copy.run("replay")
    assert told.stdout == ""
    assert f"{len(STEPS) + 8} commits replayed, {len(STEPS) + 8} with the same tree" in told.stderr
    assert copy.everything() == before


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4294967295"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "1"},
    ],
    ids=lambda environment: environment["LC_ALL"],
)
def test_the_trees_are_the_same_in_every_locale_time_zone_and_order_of_hashes(
    released: Checkout, environment: dict[str, str]
) -> None:
    released.process("replay", code=0, **environment)


def test_a_new_branch_has_the_same_commits(copy: Copy) -> None:
    copy.run("replay", "--to", "again")
    assert copy.git("rev-parse", "again") == copy.git("rev-parse", "main")
    assert "refs/heads/again exists already" in copy.run("replay", "--to", "again", code=1).stderr
    assert "is not a valid name of a ref" in copy.run("replay", "--to", "a..b", code=1).stderr


def test_an_edit_by_hand_is_left_out_and_all_that_follows_stands_on_what_is_right(copy: Copy) -> None:
    clean = copy.head
    copy.edit(CANARY, "nginx", "apache")
    (copy.root / "NOTES.md").write_text("Why.\n", encoding="utf-8")
    copy.commit("Hotfix")
    copy.run("set", "image", "prod/api", "api=registry.example.com/shop/api:3.0.0", "--no-validate")
    last = copy.head
    (first, second) = copy.json("replay", f"{clean}..", "--to", "clean", code=1)
    assert first["tree"] != first["replayed"]
    assert any(CANARY in finding["file"] for finding in first["findings"])
    assert second["tree"] != second["replayed"]
    assert copy.git("diff", "--name-only", "clean", "main") == f"{CANARY}\n"
    assert copy.git("diff", "--name-only", "clean~1", clean) == "NOTES.md\n"
    assert copy.git("log", "-2", "--format=%s%an%aI%cI", "clean") == copy.git("log", "-2", "--format=%s%an%aI%cI")
    assert copy.head == last
    copy.run("verify", f"{clean}..clean")


def test_a_bare_repository_can_be_replayed(copy: Copy, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    copy.git("clone", "--quiet", "--bare", ".", str(bare))
    Copy(bare).run("replay", "HEAD~3..HEAD")


def test_options_of_git_are_no_range(copy: Copy) -> None:
    assert "takes no options" in copy.run("replay", "--", "--all", code=2).stderr
