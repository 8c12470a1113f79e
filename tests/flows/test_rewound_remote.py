"""A step that a force-push took back stays back: no clone that still has it brings it along."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.branched_release import DAY, branched_release, git
from tests.support.commands import Checkout


def do(checkout: Checkout, verb: str, day: int, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run(verb, "prod/web", *options, "--push", "--now", DAY.format(day), "--no-validate", code=code)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a bare repository whose release of 2.0.0 was promoted to 40%."""
    source = tmp_path / "source"
    source.mkdir()
    folder = tmp_path / "remote"
    branched_release(source, folder)
    git(tmp_path, "clone", "--quiet", "--bare", str(source), str(folder))
    return folder


@pytest.fixture
def stale(remote: Path) -> Checkout:
    """Return a clone from before the force-push."""
    git(remote.parent, "clone", "--quiet", str(remote), str(remote.parent / "stale"))
    made = Checkout.__new__(Checkout)
    made.root = remote.parent / "stale"
    return made


def rewind(remote: Path, branch: str) -> str:
    """Take the last commit of a branch back, and return it."""
    taken = git(remote, "rev-parse", branch).strip()
    git(remote, "update-ref", f"refs/heads/{branch}", f"{taken}~1")
    return taken


@pytest.mark.parametrize("verb", [("advance",), ("scale", "--replicas", "8"), ("abort",)], ids=lambda verb: verb[0])
def test_no_verb_brings_a_step_back(remote: Path, stale: Checkout, verb: tuple[str, ...]) -> None:
    taken, before = rewind(remote, "main"), stale.snapshot()
    # The second run fetches nothing that says so.
    for _ in range(2):
        done = do(stale, verb[0], 4, *verb[1:], code=1)
        assert f"main: origin/main was rewound and lacks {taken[:9]} (web (prod): promote, step 3/6" in done.stderr
        assert "git reset --keep origin/main" in done.stderr
        assert "git push origin main" in done.stderr
    assert stale.snapshot() == before
    assert git(remote, "rev-parse", "main").strip() != taken


def test_a_fetch_by_hand_changes_nothing(remote: Path, stale: Checkout) -> None:
    taken = rewind(remote, "main")
    stale.git("fetch", "--quiet", "origin")
    assert f"lacks {taken[:9]}" in do(stale, "advance", 4, code=1).stderr


def test_it_stays_back_where_the_remote_has_gone_on(remote: Path, stale: Checkout) -> None:
    taken = rewind(remote, "main")
    git(remote.parent, "clone", "--quiet", str(remote), str(remote.parent / "other"))
    git(remote.parent / "other", "commit", "--quiet", "--allow-empty", "--message=Elsewhere")
    git(remote.parent / "other", "push", "--quiet", "origin", "main")
    assert f"lacks {taken[:9]}" in do(stale, "advance", 4, code=1).stderr


def test_own_commits_on_top_are_kept_by_the_way_out(remote: Path, stale: Checkout) -> None:
    taken = rewind(remote, "main")
    (stale.root / "notes.txt").write_text("mine\n", encoding="utf-8")
    stale.commit("Mine")
    done = do(stale, "advance", 4, code=1)
    assert f"git rebase --onto origin/main {taken[:9]} main" in done.stderr
    stale.git("rebase", "--quiet", "--onto", "origin/main", taken[:9], "main")
    assert stale.subjects[0] == "Mine"
    assert "step 1/6" in stale.subjects[1]


def test_a_clone_that_left_the_step_goes_on(remote: Path, stale: Checkout) -> None:
    rewind(remote, "main")
    rewind(remote, "env/prod")
    do(stale, "advance", 4, code=1)
    stale.git("reset", "--quiet", "--keep", "origin/main")
    do(stale, "abort", 5)
    assert git(remote, "log", "-1", "--format=%s", "main").startswith("web (prod): abort")


def test_a_step_may_be_brought_back_by_hand(remote: Path, stale: Checkout) -> None:
    rewind(remote, "main")
    do(stale, "advance", 4, code=1)
    stale.git("push", "--quiet", "origin", "main")
    do(stale, "advance", 5)
    assert git(remote, "log", "-1", "--format=%s", "main").startswith("web (prod): step 5/6")


def test_an_environments_branch_that_was_rewound_stays_so(remote: Path, stale: Checkout) -> None:
    taken = rewind(remote, "env/prod")
    for _ in range(2):
        done = do(stale, "advance", 4, code=1)
        assert f"env/prod: origin/env/prod was rewound and lacks {taken[:9]}" in done.stderr
    assert git(remote, "rev-parse", "env/prod").strip() != taken
    stale.git("push", "--quiet", "origin", "env/prod")
    do(stale, "advance", 5)
    assert git(remote, "log", "-1", "--format=%s", "env/prod").startswith("web (prod): step 5/6")


def test_an_amended_commit_of_ones_own_is_no_rewind(remote: Path, stale: Checkout) -> None:
    stale.git("commit", "--quiet", "--allow-empty", "--message=Mine")
    stale.git("push", "--quiet", "origin", "main")
    stale.git("commit", "--quiet", "--amend", "--allow-empty", "--message=Mine, better")
    stale.git("push", "--quiet", "--force", "origin", "main")
    do(stale, "advance", 4)
    assert git(remote, "log", "-1", "--format=%s", "main").startswith("web (prod): step 5/6")
