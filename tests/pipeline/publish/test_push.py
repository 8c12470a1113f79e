"""``--push``: the whole push reaches the remote, or none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

SETTINGS = "environments:\n  prod: {commit: {environmentBranch: 'env/${environment}'}}\n"


@pytest.fixture
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, remote: Path) -> Checkout:
    made = Checkout(tmp_path)
    text = (made.root / "rollstep.yaml").read_text(encoding="utf-8")
    (made.root / "rollstep.yaml").write_text(text.partition("environments:")[0] + SETTINGS, encoding="utf-8")
    made.git("rm", "-rq", "environments/dev")
    made.commit("Give prod a branch")
    made.git("remote", "add", "origin", str(remote))
    made.git("push", "--quiet", "origin", "main")
    return made


def refs(remote: Path) -> dict[str, str]:
    command = ["git", "-C", str(remote), "for-each-ref", "--format=%(refname) %(objectname)"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split() for line in listed.splitlines())


def advance(checkout: Checkout, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run("advance", "prod/web", "--now", NOON, "--no-validate", *arguments, code=code)


def other_clone(remote: Path, folder: Path) -> None:
    """Push a commit from somewhere else."""
    subprocess.run(["git", "clone", "--quiet", str(remote), str(folder)], check=True)
    for command in (["commit", "--quiet", "--allow-empty", "--message=Elsewhere"], ["push", "--quiet"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)


def test_branches_and_notes_are_pushed(checkout: Checkout, remote: Path) -> None:
    done = advance(checkout, "--push")
    assert "pushed main to origin" in done.stderr
    assert "pushed env/prod to origin" in done.stderr
    there = refs(remote)
    assert there["refs/heads/main"] == checkout.head
    assert there["refs/heads/env/prod"] == checkout.git("rev-parse", "env/prod").strip()
    assert {"refs/notes/hydrator.metadata", "refs/notes/rollstep"} <= set(there)


def test_nothing_is_pushed_unasked_or_in_a_dry_run(checkout: Checkout, remote: Path) -> None:
    before = refs(remote)
    advance(checkout, "--push", "--dry-run")
    advance(checkout)
    assert refs(remote) == before


def test_what_a_failed_push_left_is_pushed_by_the_next(checkout: Checkout, remote: Path) -> None:
    advance(checkout)
    advance(checkout, "--push")
    assert refs(remote)["refs/heads/main"] == checkout.head


def test_where_both_have_gone_on_nothing_is_done(checkout: Checkout, remote: Path, tmp_path: Path) -> None:
    other_clone(remote, tmp_path / ".git" / "other")
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Here")
    before, there = checkout.snapshot(), refs(remote)
    done = advance(checkout, "--push", code=1)
    assert "has commits that are not here" in done.stderr
    assert "git pull --rebase origin" in done.stderr
    assert checkout.snapshot() == before
    assert refs(remote) == there


def test_a_hook_of_the_server_refuses_all_of_it(checkout: Checkout, remote: Path) -> None:
    hook = remote / "hooks" / "update"
    hook.write_text('#!/bin/sh\necho "not this one" >&2\ntest "$1" != refs/heads/env/prod\n', encoding="utf-8")
    hook.chmod(0o755)
    there = refs(remote)
    done = advance(checkout, "--push", code=1)
    assert "env/prod: origin refused the push" in done.stderr
    assert "not this one" in done.stderr
    assert refs(remote) == there
    hook.unlink()
    advance(checkout, "--push")
    assert refs(remote)["refs/heads/env/prod"] == checkout.git("rev-parse", "env/prod").strip()


def test_notes_of_two_writers_are_merged(
    checkout: Checkout, remote: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    advance(checkout, "--push")
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "clone", "--quiet", str(remote), str(other)], check=True)
    for command in (
        ["fetch", "--quiet", "origin", "refs/notes/rollstep:refs/notes/rollstep"],
        ["notes", "--ref=rollstep", "add", "--message=Seen", "main~1"],
        ["push", "--quiet", "origin", "refs/notes/rollstep"],
    ):
        subprocess.run(["git", "-C", str(other), *command], check=True)
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate", "--push")
    command = ["git", "-C", str(remote), "notes", "--ref=rollstep", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 3


def test_without_a_remote_or_a_branch_it_is_refused(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--detach")
    assert "HEAD is detached" in advance(checkout, "--push", "--allow-detached", code=1).stderr
    checkout.git("switch", "--quiet", "main")
    checkout.git("remote", "remove", "origin")
    before = checkout.snapshot()
    assert "there is no remote origin to push to" in advance(checkout, "--push", code=1).stderr
    assert checkout.snapshot() == before


def test_a_missing_remote_is_named_without_its_password(checkout: Checkout) -> None:
    checkout.git("remote", "set-url", "origin", "http://me:secret-word@127.0.0.1:9/shop/web.git")
    before = checkout.snapshot()
    done = advance(checkout, "--push", code=1)
    assert "git ls-remote failed" in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert checkout.snapshot() == before
