"""Commits are signed, signed off and attributed as git's own configuration and rollstep.yaml ask."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout whose git signs with an SSH key and trusts it."""
    checkout = Checkout(tmp_path / "repo")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    (tmp_path / "allowed").write_text(f"test@example.com {public}", encoding="utf-8")
    checkout.git("config", "gpg.format", "ssh")
    checkout.git("config", "user.signingKey", str(key))
    checkout.git("config", "commit.gpgSign", "true")
    checkout.git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))
    return checkout


def test_every_commit_is_signed_if_git_is_configured_to(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)
    checkout.run("freeze", "add", "--until", "2099-01-01T00:00:00Z", "--reason", "Rest")
    assert checkout.git("log", "-3", "--format=%G?%GS").split() == ["Gtest@example.com"] * 3
    assert checkout.git("log", "-1", "--format=%G?", "HEAD~3").strip() == "N"
    for commit in ("HEAD", "HEAD~1", "HEAD~2"):
        checkout.git("verify-commit", commit)
    checkout.run("verify")


def test_nothing_is_committed_where_git_cannot_sign(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("config", "user.signingKey", str(tmp_path / "nowhere"))
    before = checkout.snapshot()
    told = checkout.run("advance", "prod/web", "--no-validate", "--now", NOON, code=1).stderr
    assert "git refused the commit" in told
    assert checkout.snapshot() == before


def test_a_replayed_branch_keeps_signatures_where_nothing_has_changed(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    checkout.run("replay", "--to", "again")
    assert checkout.git("rev-parse", "again").strip() == checkout.head
    service = "environments/prod/web/rendered/service-web-stable.yaml"
    checkout.edit(service, "port: 80", "port: 81")
    checkout.commit("Hotfix")
    checkout.run("replay", "--to", "clean", code=1)
    assert checkout.git("log", "-2", "--format=%G?", "clean").split() == ["N", "G"]


def test_author_committer_and_sign_off_are_settings(checkout: Checkout) -> None:
    checkout.edit(
        "rollstep.yaml",
        "author: {name: rollstep, email: rollstep@example.com}",
        "author: {name: Ann, email: ann@example.com}\n    committer: {name: Test, email: test@example.com}\n"
        "    signoff: true",
    )
    checkout.commit("Say who")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    told = checkout.git("log", "-1", "--format=%an <%ae>|%cn <%ce>|%G?|%(trailers:key=Signed-off-by)").strip()
    assert told == "Ann <ann@example.com>|Test <test@example.com>|G|Signed-off-by: Ann <ann@example.com>"
    checkout.run("freeze", "add", "--until", "2099-01-01T00:00:00Z", "--reason", "Rest")
    told = checkout.git("log", "-1", "--format=%an|%G?|%(trailers:key=Signed-off-by)").strip()
    assert told == "Ann|G|Signed-off-by: Ann <ann@example.com>"


def test_the_sign_off_without_an_author_is_gits_identity(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "author: {name: rollstep, email: rollstep@example.com}", "signoff: true")
    checkout.commit("Leave it to git")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    told = checkout.git("log", "-1", "--format=%an <%ae>|%(trailers:key=Signed-off-by)").strip()
    assert told == "Test <test@example.com>|Signed-off-by: Test <test@example.com>"
