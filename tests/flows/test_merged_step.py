"""The pause of a merged step begins with the merge, not with the commit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

MADE, MERGED = "2026-03-01T12:00:00Z", "2026-03-03T12:00:00Z"
BEFORE, AFTER = "2026-03-03T12:09:00Z", "2026-03-03T12:11:00Z"
"""Times around the pause after 40%, which lasts ten minutes."""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout whose branch ``step`` has the commit that begins the pause, days before its merge."""
    made = Checkout(tmp_path)
    made.run("advance", "prod/web", "--now", "2026-02-01T12:00:00Z", "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", MADE, "--no-validate")
    made.git("switch", "--quiet", "--create", "step")
    made.run("promote", "prod/web", "--now", MADE, "--no-validate")
    made.git("switch", "--quiet", "main")
    return made


def merge(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, *command: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GIT_AUTHOR_DATE", MERGED)
        patch.setenv("GIT_COMMITTER_DATE", MERGED)
        checkout.git(*command)


@pytest.mark.parametrize(
    "command",
    [("merge", "--quiet", "--no-ff", "--message=Merge", "step"), ("cherry-pick", "step")],
    ids=["merge", "rebase"],
)
def test_a_pause_begins_with_the_merge(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    merge(checkout, monkeypatch, *command)
    head = checkout.head
    (told,) = checkout.json("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert (told["reason"], told["until"]) == ("CanaryPauseStep", "2026-03-03T12:10:00Z")
    assert checkout.head == head
    (row,) = checkout.json("status", "prod/web", "--now", BEFORE)
    assert row["until"] == "2026-03-03T12:10:00Z"
    assert row["message"].startswith("paused (CanaryPauseStep) until 2026-03-03T12:10:00Z (60s left)")
    (row,) = checkout.json("status", "prod/web", "--now", AFTER)
    assert "the pause is over since" in row["message"]
    assert row["until"] is None
    checkout.run("advance", "prod/web", "--no-validate", "--now", AFTER)
    assert checkout.subjects[0].startswith("web (prod): step 5/6")
    checkout.run("verify", f"{head}..")


def test_promote_ends_the_pause(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(checkout, monkeypatch, "merge", "--quiet", "--no-ff", "--message=Merge", "step")
    checkout.run("promote", "prod/web", "--no-validate", "--now", BEFORE)
    assert checkout.subjects[0].startswith("web (prod): ")
    assert checkout.subjects[0] != "Merge"


def test_the_pause_of_a_commit_on_the_branch_begins_with_the_commit(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "step")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T12:11:00Z")
    assert checkout.subjects[0].startswith("web (prod): step 5/6")


def test_status_needs_no_git(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "step")
    shutil.rmtree(checkout.root / ".git")
    (row,) = checkout.json("status", "prod/web", "--now", BEFORE)
    assert row["message"] == "the pause is over since 2026-03-01T12:10:00Z: `rollstep advance prod/web` goes on"
    assert (row["reason"], row["until"]) == (None, None)


def test_a_new_image_does_not_wait_for_the_pause_of_the_old_one(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(checkout, monkeypatch, "merge", "--quiet", "--no-ff", "--message=Merge", "step")
    checkout.edit("environments/prod/web/rollout.yaml", TWO, TWO.replace("2.0.0", "3.0.0"))
    checkout.commit("Release another image")
    checkout.run("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert checkout.subjects[0].startswith("web (prod): step 1/6, 20% to ")
    assert checkout.replicas("prod/web")["3.0.0"] == 1


def test_a_pause_begins_with_a_squash_that_keeps_only_the_title(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.git("merge", "--quiet", "--squash", "step")
    merge(checkout, monkeypatch, "commit", "--quiet", "--message=web: 40% (#12)")
    head = checkout.head
    (entry,) = checkout.json("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert (entry["reason"], entry["until"]) == ("CanaryPauseStep", "2026-03-03T12:10:00Z")
    assert checkout.head == head
    checkout.run("advance", "prod/web", "--no-validate", "--now", AFTER)
    assert checkout.subjects[0].startswith("web (prod): step 5/6")


def test_a_change_of_scale_does_not_shorten_the_pause(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(checkout, monkeypatch, "merge", "--quiet", "--no-ff", "--message=Merge", "step")
    later = "2026-03-03T12:05:00Z"
    monkeypatch.setenv("GIT_AUTHOR_DATE", later)
    monkeypatch.setenv("GIT_COMMITTER_DATE", later)
    checkout.run("scale", "prod/web", "--replicas", "9", "--no-validate", "--now", later)
    (entry,) = checkout.json("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert (entry["reason"], entry["until"]) == ("CanaryPauseStep", "2026-03-03T12:10:00Z")


@pytest.mark.parametrize("later", [False, True], ids=["the merge is the tip", "another commit is"])
def test_a_shallow_clone_cannot_skip_the_pause(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, later: bool
) -> None:
    merge(checkout, monkeypatch, "merge", "--quiet", "--no-ff", "--message=Merge", "step")
    if later:
        checkout.edit("rollstep.yaml", "\n", "\n# more\n")
        merge(checkout, monkeypatch, "commit", "--quiet", "--all", "--message=Comment")
    clone = checkout.copy(tmp_path / "clone")
    shutil.rmtree(clone.root)
    checkout.git("clone", "--quiet", "--depth=1", checkout.root.as_uri(), str(clone.root))
    head = clone.head
    refused = clone.run("advance", "prod/web", "--no-validate", "--now", BEFORE, code=1)
    assert "this clone is shallow" in refused.stderr
    assert "git fetch --unshallow" in refused.stderr
    assert clone.head == head
    clone.git("fetch", "--quiet", "--unshallow")
    (entry,) = clone.json("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert (entry["reason"], entry["until"]) == ("CanaryPauseStep", "2026-03-03T12:10:00Z")
