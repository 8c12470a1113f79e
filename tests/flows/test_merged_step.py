"""The pause of a merged step begins with the merge, not with the commit."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from renderer.git.repository import MANY, Repository
from renderer.verbs.apps.merge_times import MergeTimes
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
    assert told["waits"] == {"reason": "CanaryPauseStep", "until": "2026-03-03T12:10:00Z"}
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
    assert row["message"] == "the pause is over since 2026-03-01T12:10:00Z: `rollstep advance` goes on"


def test_a_new_image_does_not_wait_for_the_pause_of_the_old_one(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(checkout, monkeypatch, "merge", "--quiet", "--no-ff", "--message=Merge", "step")
    checkout.edit("environments/prod/web/rollout.yaml", TWO, TWO.replace("2.0.0", "3.0.0"))
    checkout.commit("Release another image")
    checkout.run("advance", "prod/web", "--no-validate", "--now", BEFORE)
    assert checkout.subjects[0].startswith("web (prod): step 1/6, 20% to ")
    assert checkout.replicas("prod/web")["3.0.0"] == 1


def test_the_branch_is_walked_once_for_all_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge, a commit with trailers, one without, and the first commit give each app its own time."""
    git, root = Checkout(tmp_path), tmp_path
    folders = [root / "environments" / "prod" / f"a{number}" for number in range(MANY + 5)]

    def commit(time: str, message: str, *numbers: int) -> None:
        for number in numbers:
            folders[number].mkdir(parents=True, exist_ok=True)
            (folders[number] / "status.yaml").write_text(time + message, encoding="utf-8")
        monkeypatch.setenv("GIT_AUTHOR_DATE", time)
        monkeypatch.setenv("GIT_COMMITTER_DATE", time)
        git.commit(message)

    ours = "Step\n\nRollstep-App: web\nRollstep-Env: prod\nRollstep-App: api\n"
    commit("2026-03-01T12:00:00Z", ours, *range(MANY + 4))
    git.git("switch", "--quiet", "--create", "side")
    commit("2026-03-02T12:00:00Z", ours, 1)
    git.git("switch", "--quiet", "main")
    commit("2026-03-03T12:00:00Z", "By hand", 2)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-03-04T12:00:00Z")
    git.git("merge", "--quiet", "--no-ff", "--message=Merge", "side")
    git.git("commit", "--quiet", "--allow-empty", "--message=Nothing")
    expected = {0: 1, 1: 4, 2: None, 3: 1, MANY + 4: None}
    repository = Repository.open(root)
    for asked in (list(expected), range(MANY + 5)):
        trace = root / "trace"
        trace.mkdir()
        monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
        with closing(MergeTimes(lambda: repository, [folders[number] for number in asked])) as merge_times:
            days = {number: landed.day if (landed := merge_times.of(folders[number])) else None for number in expected}
        monkeypatch.delenv("GIT_TRACE2_EVENT")
        assert days == expected
        assert len(list(trace.iterdir())) == 1
        shutil.rmtree(trace)


def test_a_repository_without_commits_has_no_merge_times(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with closing(MergeTimes(lambda: Repository.open(tmp_path), [tmp_path / "a"])) as merge_times:
        assert merge_times.of(tmp_path / "a") is None
