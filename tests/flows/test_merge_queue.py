"""Pull requests of steps as forges merge them: each way ends well, or `verify` of the merge result refuses it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

DAY = "2026-03-{:02}T12:00:00Z"
MERGED = "2026-03-20T12:00:00Z"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a checkout at 20% with the branches ``one`` (40%), and ``two`` (60%) on top of it.

    They are merged long after the steps were made.
    """
    made = Checkout(tmp_path)
    made.run("advance", "prod/web", "--now", DAY.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", DAY.format(2), "--no-validate")
    for day, branch in ((3, "one"), (4, "two")):
        made.git("switch", "--quiet", "--create", branch)
        made.run("promote", "prod/web", "--now", DAY.format(day), "--no-validate")
    made.git("switch", "--quiet", "main")
    assert made.weight("prod/web") == "20"
    monkeypatch.setenv("GIT_COMMITTER_DATE", MERGED)
    return made


def squash(checkout: Checkout, branch: str, title: str) -> None:
    checkout.git("merge", "--quiet", "--squash", branch)
    checkout.git("commit", "--quiet", f"--message={title}")


def queue_squash(checkout: Checkout, branch: str, base: str, title: str) -> None:
    """Squash a branch as a merge queue does: only its own changes, on top of what is merged already."""
    checkout.git("switch", "--quiet", "--detach", branch)
    checkout.git("reset", "--quiet", "--soft", base)
    checkout.git("commit", "--quiet", f"--message={title}")
    made = checkout.head
    checkout.git("switch", "--quiet", "main")
    checkout.git("cherry-pick", made)


def goes_on(checkout: Checkout, start: str) -> None:
    """Expect that the merged steps are legal, that nothing is left to render, and that the release goes on."""
    checkout.run("verify", f"{start}..HEAD")
    checkout.run("render", "--check", "--no-validate", "prod/web")
    checkout.run("promote", "prod/web", "--now", "2026-03-21T12:00:00Z", "--no-validate")
    checkout.run("verify", f"{start}..HEAD")


def refused(checkout: Checkout, start: str, step: int) -> None:
    """Expect that `verify` refuses what was merged after ``start`` because of its ``step``."""
    done = checkout.run("verify", f"{start}..HEAD", code=1)
    assert f"step {step} does not follow from the commit before" in done.stdout


def test_a_queue_that_squashes_the_second_right_after_the_first(checkout: Checkout) -> None:
    start = checkout.head
    queue_squash(checkout, "one", "main", "web: 40% (#1)")
    queue_squash(checkout, "two", "one", "web: 60% (#2)")
    assert checkout.subjects[:2] == ["web: 60% (#2)", "web: 40% (#1)"]
    assert checkout.weight("prod/web") == "60"
    goes_on(checkout, start)


@pytest.mark.parametrize("way", ["merge", "rebase"])
def test_both_merged_one_after_the_other(checkout: Checkout, way: str) -> None:
    start = checkout.head
    for branch in ("one", "two"):
        if way == "merge":
            checkout.git("merge", "--quiet", "--no-ff", f"--message=Merge {branch}", branch)
        else:
            checkout.git("merge", "--quiet", "--ff-only", branch)
    goes_on(checkout, start)


def test_the_top_of_a_stack_squashed_alone_is_refused(checkout: Checkout) -> None:
    start = checkout.head
    squash(checkout, "two", "web: 60% (#2)")
    refused(checkout, start, 5)


def test_the_top_of_a_stack_merged_alone_brings_each_step(checkout: Checkout) -> None:
    start = checkout.head
    checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "two")
    goes_on(checkout, start)


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_rebase_over_a_promoted_main(checkout: Checkout, side: str) -> None:
    """The step conflicts with the same step that main made at another time, and either side is taken."""
    checkout.run("promote", "prod/web", "--now", DAY.format(10), "--no-validate")
    start = checkout.head
    checkout.git("switch", "--quiet", "one")
    with pytest.raises(subprocess.CalledProcessError):
        checkout.git("rebase", "--quiet", "main")
    checkout.git("rebase", "--abort")
    checkout.git("rebase", "--quiet", f"--strategy-option={side}", "main")
    if side == "ours":
        assert checkout.head == start
        goes_on(checkout, start)
    else:
        refused(checkout, start, 3)


def test_a_merge_of_a_step_that_main_has_made_itself(checkout: Checkout) -> None:
    checkout.run("promote", "prod/web", "--now", DAY.format(10), "--no-validate")
    start = checkout.head
    checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "--strategy-option=theirs", "one")
    # One side of the merge is taken whole.
    goes_on(checkout, start)


def test_a_stack_over_an_aborted_main_is_refused(checkout: Checkout) -> None:
    checkout.run("abort", "prod/web", "--now", DAY.format(10), "--no-validate")
    start = checkout.head
    checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "--strategy-option=theirs", "two")
    refused(checkout, start, 5)
