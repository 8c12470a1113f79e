"""A step that the remote does not have is not live: the next one waits until it is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.branched_release import BRANCH, DAY, branched_release, git
from tests.support.commands import TWO, Checkout


class Remote:
    """A bare repository that can refuse pushes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)

    @property
    def hook(self) -> Path:
        return self.folder / "hooks" / "update"

    def refuse(self, ref: str = "refs/heads/*") -> None:
        script = f'#!/bin/sh\ncase "$1" in {ref}) echo "protected branch" >&2; exit 1;; esac\n'
        self.hook.write_text(script, encoding="utf-8")
        self.hook.chmod(0o755)

    def allow(self) -> None:
        self.hook.unlink()

    def tip(self, branch: str) -> str:
        return git(self.folder, "rev-parse", branch).strip()

    def subjects(self, branch: str = "main") -> list[str]:
        return git(self.folder, "log", "--format=%s", branch).splitlines()


@pytest.fixture
def remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    return Remote(tmp_path_factory.mktemp("remote"))


@pytest.fixture
def checkout(tmp_path: Path, remote: Remote) -> Checkout:
    """Return a checkout whose release of 2.0.0 is at 40%, in a pause of ten minutes, also on the remote."""
    made = branched_release(tmp_path, remote.folder)
    made.git("push", "--quiet", "origin", "main", "env/prod")
    return made


def do(checkout: Checkout, verb: str, day: int, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run(verb, *options, "--push", "--now", DAY.format(day), "--no-validate", code=code)


@pytest.mark.parametrize("ref", ["refs/heads/*", "refs/heads/main", "refs/heads/env/prod"])
def test_a_schedule_makes_one_step_that_is_refused_and_no_other(checkout: Checkout, remote: Remote, ref: str) -> None:
    remote.refuse(ref)
    before = remote.tip("main"), remote.tip("env/prod")
    do(checkout, "advance", 4, "prod/web", code=1)
    made = checkout.head
    for day in range(5, 7):
        done = do(checkout, "advance", day, "prod/web", code=1)
        assert "pushing first what origin lacks: web (prod): step 5/6" in done.stderr
        assert "protected branch" in done.stderr
    assert checkout.head == made
    assert (remote.tip("main"), remote.tip("env/prod")) == before
    remote.allow()
    done = do(checkout, "advance", 9, "prod/web")
    assert f"web (prod): {made[:9]} (web (prod): step 5/6" in done.stderr
    assert "is on origin now: the next advance goes on from there" in done.stderr
    assert checkout.head == made == remote.tip("main")
    assert remote.subjects("env/prod")[0] == checkout.subjects[0]
    do(checkout, "advance", 10, "prod/web")
    assert remote.subjects()[0].endswith("promoted")
    assert remote.subjects("env/prod")[0].endswith("promoted")


def test_a_refused_promotion_is_pushed_and_not_repeated(checkout: Checkout, remote: Remote) -> None:
    remote.refuse()
    do(checkout, "promote", 3, "prod/web", code=1)
    made = checkout.head
    remote.allow()
    done = do(checkout, "promote", 3, "prod/web")
    assert f"{made[:9]} (web (prod): promote, step 5/6" in done.stderr
    assert checkout.head == made == remote.tip("main")


def test_an_abort_follows_a_step_that_was_refused(checkout: Checkout, remote: Remote) -> None:
    remote.refuse()
    do(checkout, "advance", 4, "prod/web", code=1)
    remote.allow()
    do(checkout, "abort", 4, "prod/web")
    assert remote.subjects()[0].startswith("web (prod): abort")
    assert remote.subjects()[1].startswith("web (prod): step 5/6")


@pytest.mark.parametrize(("verb", "code"), [("advance", 1), ("abort", 0)])
def test_a_refused_step_is_not_pushed_during_a_freeze(checkout: Checkout, remote: Remote, verb: str, code: int) -> None:
    times = ("--from", DAY.format(5), "--until", DAY.format(10))
    checkout.run("freeze", "add", "--env", "prod", *times, "--reason", "Holidays", "--now", DAY.format(3), "--push")
    remote.refuse()
    do(checkout, verb, 4, "prod/web", code=1)
    before = remote.tip("main")
    remote.allow()
    done = do(checkout, "advance", 6, "prod/web", code=code)
    if code:
        assert "--break-glass REASON" in done.stderr
        assert remote.tip("main") == before
        do(checkout, "advance", 6, "prod/web", "--break-glass", "It was promised")
    assert remote.tip("main") == checkout.head
    assert remote.tip("main") != before


def test_another_image_follows_one_that_was_refused(checkout: Checkout, remote: Remote) -> None:
    remote.refuse()
    do(checkout, "set", 4, "image", "prod/web", f"web={TWO.replace('2.0', '3.0')}", code=1)
    remote.allow()
    do(checkout, "set", 5, "image", "prod/web", f"web={TWO.replace('2.0', '4.0')}")
    assert "4.0.0" in git(remote.folder, "show", "main:environments/prod/web/rollout.yaml")


def test_a_step_of_the_environments_branch_that_the_remote_lacks_is_waited_for(
    checkout: Checkout, remote: Remote
) -> None:
    """Somebody pushes main by hand, and not what the cluster follows."""
    checkout.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.git("push", "--quiet", "origin", "main")
    head = checkout.head
    done = do(checkout, "advance", 5, "prod/web")
    assert "is on origin now" in done.stderr
    assert checkout.head == head
    assert remote.subjects("env/prod")[0].startswith("web (prod): step 5/6")


def test_a_merged_step_is_rendered_into_the_environments_branch_before_the_next(
    checkout: Checkout, remote: Remote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkout.git("switch", "--quiet", "--create", "step")
    checkout.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.git("push", "--quiet", "origin", "step:main")
    head = checkout.head
    clone = checkout.copy(tmp_path_factory.mktemp("clones") / "clone")
    clone.git("switch", "--quiet", "--force-create", "main", "origin/main")
    done = do(clone, "advance", 20, "prod/web")
    assert "is on origin now" in done.stderr
    assert clone.head == head
    assert remote.subjects("env/prod")[0].startswith("web (prod): step 5/6")


def test_commits_without_a_step_are_not_pushed_before_the_verb_is_valid(checkout: Checkout, remote: Remote) -> None:
    checkout.edit("environments/prod/web/rollout.yaml", "kind: Rollout", "kind: Rolout")
    checkout.commit("Break it")
    before = remote.tip("main")
    do(checkout, "advance", 4, "prod/web", code=1)
    assert remote.tip("main") == before


def test_a_step_of_another_app_is_no_reason_to_wait(checkout: Checkout, remote: Remote) -> None:
    checkout.run("advance", "prod/api", "--now", DAY.format(4), "--no-validate")
    do(checkout, "advance", 4, "prod/web")
    assert [line.partition(":")[0] for line in remote.subjects()[:2]] == ["web (prod)", "api (prod)"]


def test_two_clones_whose_environments_branches_parted_go_on(
    checkout: Checkout, remote: Remote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A refused commit of the environment's branch is rendered again on top of the remote's."""
    remote.refuse()
    do(checkout, "advance", 4, "prod/web", code=1)
    remote.allow()
    other = tmp_path_factory.mktemp("other")
    git(other, "clone", "--quiet", "--branch=env/prod", str(remote.folder), ".")
    (other / "pipeline.yml").write_text("jobs: []\n", encoding="utf-8")
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message=A pipeline")
    git(other, "push", "--quiet", "origin", "env/prod")
    do(checkout, "advance", 5, "prod/web")
    assert remote.subjects("env/prod")[:2] == [checkout.subjects[0], "A pipeline"]
    assert git(remote.folder, "show", "env/prod:pipeline.yml") == "jobs: []\n"
    assert remote.tip("env/prod") == checkout.git("rev-parse", "env/prod").strip()


def test_a_pause_begins_when_the_refused_step_is_pushed(
    checkout: Checkout, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    checkout.git("push", "--quiet", "--force", "origin", "main", "main~1:env/prod")
    checkout.git("branch", "--delete", "--force", "env/prod")
    checkout.edit("rollstep.yaml", BRANCH, "")
    checkout.commit("No branch of prod")
    remote.refuse()
    do(checkout, "promote", 3, "prod/web", code=1)
    remote.allow()
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", DAY.format(9))
        do(checkout, "advance", 9, "prod/web")
    head = checkout.head
    (entry,) = checkout.json("advance", "prod/web", "--now", "2026-03-09T12:09:00Z", "--no-validate")
    assert (entry["reason"], entry["until"]) == ("CanaryPauseStep", "2026-03-09T12:10:00Z")
    assert checkout.head == head
    checkout.run("advance", "prod/web", "--now", "2026-03-09T12:10:00Z", "--no-validate")
    assert checkout.subjects[0].startswith("web (prod): step 5/6")


def test_a_push_of_something_else_begins_no_pause(
    checkout: Checkout, remote: Remote, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new clone pushes a commit of its own during the pause that somebody else has begun."""
    clone = checkout.copy(tmp_path_factory.mktemp("clones") / "clone")
    shutil.rmtree(clone.root)
    checkout.git("clone", "--quiet", str(remote.folder), str(clone.root))
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", "2026-03-03T12:05:00Z")
        clone.git("commit", "--quiet", "--allow-empty", "--message=Mine")
        clone.git("push", "--quiet", "origin", "main")
    clone.run("advance", "prod/web", "--now", "2026-03-03T12:10:00Z", "--no-validate")
    assert clone.subjects[0].startswith("web (prod): step 5/6")
