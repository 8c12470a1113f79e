"""A feature branch does not deploy: one branch alone moves an environment's branch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

BRANCH = "environments:\n  prod: {{commit: {{environmentBranch: 'env/${{environment}}'{more}}}}}\n"


def settings(checkout: Checkout, more: str = "") -> None:
    text = (checkout.root / "rollstep.yaml").read_text(encoding="utf-8").partition("environments:")[0]
    (checkout.root / "rollstep.yaml").write_text(text + BRANCH.format(more=more), encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout of main with a first release, and a remote that has it."""
    remote = tmp_path_factory.mktemp("remote")
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    made = Checkout(tmp_path)
    settings(made)
    made.git("rm", "-rq", "environments/dev")
    made.commit("Give prod a branch")
    made.git("remote", "add", "origin", str(remote))
    made.git("push", "--quiet", "origin", "main")
    do(made, "advance", "prod/web")
    return made


def do(checkout: Checkout, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run(*arguments, "--push", "--now", NOON, "--no-validate", code=code)


def there(checkout: Checkout, branch: str = "env/prod") -> str:
    return checkout.git("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]


@pytest.mark.parametrize("known", ["the remote's default branch", "the branch that moved it last"])
def test_a_feature_branch_moves_no_environments_branch(checkout: Checkout, known: str) -> None:
    if known == "the remote's default branch":
        checkout.git("remote", "set-head", "origin", "main")
    before = there(checkout)
    checkout.git("switch", "--quiet", "--create", "feature")
    done = do(checkout, "set", "image", "prod/web", f"web={TWO}")
    assert "env/prod: is rendered from main, so feature does not move it" in done.stderr
    assert there(checkout) == before == checkout.git("rev-parse", "env/prod").strip()
    assert there(checkout, "feature") == checkout.head
    assert "HEAD moves no environment's branch" in do_publish(checkout, code=1)
    waited = checkout.run("advance", "prod/web", "--wait", "time=1s", "--no-validate", code=2)
    assert "the cluster follows env/prod" in waited.stderr
    checkout.git("switch", "--quiet", "main")
    checkout.git("merge", "--quiet", "--squash", "feature")
    checkout.git("commit", "--quiet", "--message=web: 2.0.0 (#1)")
    do(checkout, "promote", "prod/web")
    subjects = checkout.git("log", "--format=%s", f"{before}..env/prod").splitlines()
    assert subjects == [checkout.subjects[0], "web: 2.0.0 (#1)"]
    assert there(checkout) == checkout.git("rev-parse", "env/prod").strip()


def do_publish(checkout: Checkout, code: int = 0) -> str:
    return checkout.run("publish", "prod", code=code).stderr


def test_the_settings_name_another_branch(checkout: Checkout) -> None:
    checkout.git("remote", "set-head", "origin", "main")
    checkout.git("switch", "--quiet", "--create", "deploy/prod")
    settings(checkout, ", sourceBranch: 'deploy/${environment}'")
    checkout.commit("Deploy from a branch of its own")
    do(checkout, "set", "image", "prod/web", f"web={TWO}")
    assert checkout.git("log", "-1", "--format=%s", "env/prod").strip() == checkout.subjects[0]
    checkout.git("switch", "--quiet", "main")
    checkout.git("merge", "--quiet", "deploy/prod")
    before = there(checkout)
    done = do(checkout, "promote", "prod/web")
    assert "env/prod: is rendered from deploy/prod, so main does not move it" in done.stderr
    assert there(checkout) == before


def test_a_detached_head_moves_no_environments_branch(checkout: Checkout) -> None:
    before = checkout.git("rev-parse", "env/prod")
    checkout.git("switch", "--quiet", "--detach")
    done = checkout.run("set", "image", "prod/web", f"web={TWO}", "--allow-detached", "--now", NOON, "--no-validate")
    assert "env/prod: is rendered from main, so a detached HEAD does not move it" in done.stderr
    assert checkout.git("rev-parse", "env/prod") == before


def test_a_branch_that_a_lost_commit_moved_has_a_way_out(checkout: Checkout) -> None:
    """Whoever forced main back finds env/prod at a commit that main no longer has."""
    do(checkout, "set", "image", "prod/web", f"web={TWO}")
    checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    checkout.git("push", "--quiet", "--force", "origin", "main")
    lost = there(checkout)
    done = do(checkout, "advance", "prod/web", code=1)
    assert "rollstep publish prod --new-source" in done.stderr
    checkout.run("publish", "prod", "--new-source", "--push")
    assert checkout.git("rev-parse", "env/prod~1").strip() == lost
    assert there(checkout) == checkout.git("rev-parse", "env/prod").strip()
    tree = checkout.git("rev-parse", "env/prod:web/rendered")
    assert tree == checkout.git("rev-parse", "main:environments/prod/web/rendered")
    do(checkout, "set", "image", "prod/web", f"web={TWO}")


def test_a_message_does_not_choose_the_branch(checkout: Checkout) -> None:
    do(checkout, "set", "image", "prod/web", f"web={TWO}")
    message = checkout.git("log", "-1", "--format=%B").strip()
    forged = message.replace("Rollstep-Env: prod", "Rollstep-Env: prod\nRollstep-Branch: feature")
    assert forged != message
    checkout.git("commit", "--quiet", "--amend", f"--message={forged}")
    checkout.git("push", "--quiet", "--force", "origin", "main")
    checkout.run("publish", "prod", "--new-source", "--push")
    trailers = checkout.git("log", "-1", "--format=%(trailers:key=Rollstep-Branch,valueonly)", "env/prod")
    assert trailers.split() == ["main"]
