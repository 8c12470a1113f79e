"""The clock of a history: pauses are judged by times that the author of a commit does not choose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from renderer.kubernetes.times import format_time
from tests.support.commands import TWO, Checkout

NOW = datetime.now(UTC).replace(microsecond=0)
YESTERDAY = NOW - timedelta(days=1)


def ago(**units: int) -> str:
    return format_time(NOW - timedelta(**units))


class Dated(Checkout):
    """A checkout whose commits have the dates that a test gives them."""

    dates: pytest.MonkeyPatch

    def at(self, date: str, *verb: str) -> None:
        """Run a verb at ``date``, which the commit has as well."""
        self.run(*verb, "--no-validate", "--now", date)

    def pause(self, date: str) -> None:
        """Release a version as far as its pause of ten minutes."""
        self.at(date, "set", "image", "prod/web", f"web={TWO}")
        self.at(date, "promote", "prod/web")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Dated:
    made = Dated(tmp_path_factory.mktemp("dated") / "repo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", format_time(YESTERDAY))
        made.git("commit", "--quiet", "--amend", "--no-edit")
        made.dates = patch
        made.at(format_time(YESTERDAY), "advance", "prod/web")
    return made


@pytest.fixture
def checkout(template: Dated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dated:
    """A checkout with a release of yesterday, without a margin for the clock in git's configuration."""
    copied = template.copy(tmp_path / "repo")
    copied.dates = monkeypatch
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    return copied


def test_a_pause_that_is_over_is_over(checkout: Dated) -> None:
    checkout.pause(ago(hours=1))
    checkout.at(ago(minutes=50), "advance", "prod/web")
    assert "all legal" in checkout.run("verify").stderr


def test_a_status_that_is_older_than_its_commit_ends_no_pause(checkout: Dated) -> None:
    checkout.pause(ago(hours=1))
    checkout.dates.setenv("GIT_COMMITTER_DATE", ago(minutes=1))
    checkout.git("commit", "--quiet", "--amend", "--no-edit")
    checkout.run("advance", "prod/web", "--no-validate", "--now", ago(minutes=45))
    told = checkout.run("verify", "HEAD~1..", code=1).stdout
    assert f"status.pauseConditions: goes on at {ago(minutes=45)}, and the pause lasts until" in told
    checkout.run("verify", "HEAD~1^")


def test_a_commit_is_not_earlier_than_its_parents(checkout: Dated) -> None:
    checkout.dates.setenv("GIT_COMMITTER_DATE", ago(minutes=2))
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Of two minutes ago")
    checkout.pause(ago(hours=1))
    checkout.at(ago(minutes=1), "advance", "prod/web")
    told = checkout.run("verify", "HEAD~1..", code=1).stdout
    assert f"its step reached the branch at {ago(minutes=2)}" in told


def test_a_pull_request_does_not_end_a_pause_that_it_begins(checkout: Dated) -> None:
    checkout.git("update-ref", "refs/remotes/origin/main", "HEAD")
    checkout.pause(ago(hours=1))
    checkout.at(ago(minutes=1), "advance", "prod/web")
    told = checkout.run("verify", "origin/main..HEAD", code=1).stdout
    assert "goes on after a pause that began in this push" in told
    checkout.run("verify", "HEAD~3..")
    assert "began in this push" in checkout.run("verify", "--push", "HEAD~3..", code=1).stdout
    checkout.run("verify", "--push", "--pre-receive", code=2)


def test_a_server_with_reflogs_knows_when_a_step_came(checkout: Dated, tmp_path: Path) -> None:
    bare = tmp_path / "origin.git"
    checkout.git("clone", "--quiet", "--bare", ".", str(bare))
    checkout.git("-C", str(bare), "config", "core.logAllRefUpdates", "true")
    checkout.git("remote", "add", "origin", str(bare))
    checkout.pause(ago(hours=1))
    for date in (ago(minutes=2), ago(minutes=1)):
        checkout.dates.setenv("GIT_COMMITTER_DATE", date)
        checkout.git("push", "--quiet", "origin", "HEAD:main")
        old = checkout.head
        checkout.at(date, "advance", "prod/web") if date == ago(minutes=2) else None
    told = checkout.run("-C", str(bare), "verify", "--now", ago(minutes=0), f"{old}^..{old}", code=1).stdout
    assert f"its step reached the branch at {ago(minutes=2)}" in told


def test_a_commit_from_before_a_freeze_is_in_it(checkout: Dated) -> None:
    until = format_time(NOW + timedelta(days=1))
    freeze = ("freeze", "add", "--until", until, "--reason", "Sale", "--env", "prod")
    checkout.run(*freeze, "--now", ago(hours=1))
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", ago(hours=2))
    assert "is frozen until" in checkout.run("verify", "HEAD~1..", code=1).stdout


@pytest.mark.parametrize("way", ["rebase", "cherry-pick", "merge"])
def test_an_old_branch_comes_late(checkout: Dated, way: str) -> None:
    checkout.git("switch", "--quiet", "--create", "x")
    checkout.at(ago(hours=20), "set", "image", "prod/web", f"web={TWO}")
    checkout.git("switch", "--quiet", "main")
    checkout.at(ago(hours=1), "advance", "prod/api")
    checkout.dates.setenv("GIT_COMMITTER_DATE", ago(minutes=30))
    if way == "rebase":
        checkout.git("rebase", "--quiet", "main", "x")
        checkout.git("switch", "--quiet", "--force-create", "main", "x")
    elif way == "cherry-pick":
        checkout.git("cherry-pick", "x")
    else:
        checkout.git("merge", "--quiet", "--no-ff", "--no-edit", "x")
    checkout.at(ago(minutes=29), "promote", "prod/web")
    checkout.at(ago(minutes=1), "advance", "prod/web")
    assert "all legal" in checkout.run("verify").stderr


def test_a_branch_that_is_too_old_is_made_anew(checkout: Dated) -> None:
    checkout.dates.setenv("GIT_COMMITTER_DATE", ago(hours=0))
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Of now")
    checkout.at(ago(hours=23), "set", "image", "prod/web", f"web={TWO}")
    checkout.run("verify", "HEAD~1..")
    checkout.git("config", "rollstep.clockMargin", "0")
    told = checkout.run("verify", "HEAD~1..", code=1).stdout
    assert "long before its parent" in told
    assert "is long before the parent commit" in told
