"""Approvals by real SSH and GPG keys: of the last step before the next one, and of every pushed commit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.verbs.policy.approvals import Approval, distinct_people
from tests.support.commands import NOON, TWO
from tests.support.team import Team

LATER = "2026-03-01T13:00:00Z"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team") / "repo")


@pytest.fixture
def team(template: Team, tmp_path: Path) -> Team:
    return template.copied(tmp_path / "team")


def test_a_step_needs_two_people_and_the_next_waits_for_them(team: Team) -> None:
    team.become("alice", sign=True)
    team.release()
    assert "1 of 2 approvals: alice@example.com" in team.run("verify", "HEAD~1..", code=1).stdout
    told = team.run("promote", "prod/web", "--no-validate", "--now", LATER, code=1).stderr
    assert "1 of 2 approvals: alice@example.com (another person runs `rollstep approve" in told
    team.approve("alice")
    team.approve("eve")
    assert "1 of 2 approvals" in team.run("verify", "HEAD~1..", code=1).stdout, "one twice, and one unknown"
    team.approve("bob")
    team.run("verify", "HEAD~1..")
    team.run("promote", "prod/web", "--no-validate", "--now", LATER)


def test_two_tags_approve_a_commit_that_nobody_signed(team: Team) -> None:
    team.become("alice")
    team.release()
    told = team.run("advance", "prod/web", "--no-validate", "--now", LATER)
    assert "waits for approvals" not in told.stderr, "the pause comes first"
    team.approve("alice")
    team.approve("bob")
    team.run("verify")
    listed = team.json("approve", "--list")
    assert [entry["how"] for entry in listed] == ["tag", "tag"]
    assert {entry["identities"][1] for entry in listed} == {"alice@example.com", "bob@example.com"}
    assert "alice@example.com" in team.run("approve", "--list").stdout
    tags = team.git("tag", "--list").split()
    assert tags == [f"approvals/{team.head[:12]}/alice-example-com", f"approvals/{team.head[:12]}/bob-example-com"]
    assert "exists already" in team.run("approve", code=1).stderr


def test_advance_waits_for_approvals_and_goes_on_elsewhere(team: Team) -> None:
    team.become("alice")
    team.release()
    team.run("promote", "prod/web", "--no-validate", "--now", NOON, "--break-glass", "Night shift")
    amended = team.git("log", "-1", "--format=%B").replace("Rollstep-Break-Glass: Night shift\n", "")
    team.git("commit", "--quiet", "--amend", "--message", amended)
    told = team.run("advance", "--all", "--no-validate", "--now", LATER)
    assert "web (prod): the committed step waits for approvals" in told.stderr
    assert "web (dev)" in told.stdout
    (entry,) = team.json("advance", "prod/web", "--no-validate", "--now", LATER)
    assert (entry["reason"], entry["until"]) == ("approvals", None)


def test_the_way_back_needs_nobody(team: Team) -> None:
    team.become("alice")
    team.release()
    released = team.head
    team.run("abort", "prod/web", "--no-validate", "--now", LATER)
    team.run("verify", "HEAD~1..")
    team.git("revert", "--no-edit", "HEAD")
    assert "0 of 2 approvals" in team.run("verify", "HEAD~1..", code=1).stdout, "a revert of the abort goes forward"
    team.git("reset", "--quiet", "--hard", released)
    team.git("revert", "--no-edit", "HEAD")
    team.run("verify", "HEAD~1..")


def test_break_glass_needs_nobody_and_is_told(team: Team) -> None:
    team.become("alice")
    team.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON, "--break-glass", "INC-1")
    assert "with the glass broken: INC-1" in team.run("verify", "HEAD~1..").stderr


def test_a_squash_or_rebase_of_the_same_change_on_the_same_base_stays_approved(team: Team) -> None:
    team.become("alice")
    team.release()
    team.approve("alice")
    team.approve("bob")
    approved = team.head
    team.git("commit", "--quiet", "--amend", "--message", "Squashed (#12)")
    assert team.head != approved
    team.run("verify", "HEAD~1..")
    team.git("reset", "--quiet", "--hard", f"{approved}~1")
    (team.root / "README.md").write_text("Read me.\n", encoding="utf-8")
    team.commit("Another base")
    team.git("cherry-pick", approved)
    assert "0 of 2 approvals" in team.run("verify", "HEAD~1..", code=1).stdout


def test_a_tag_that_was_moved_or_not_signed_approves_nothing(team: Team) -> None:
    team.become("alice")
    team.release()
    team.git("tag", "-a", "-m", "ok", "approvals/x/alice")
    team.git("tag", "approvals/x/light")
    team.approve("alice", "HEAD~1")
    (tag,) = team.git("tag", "--list", "approvals/*/alice-example-com").split()
    raw = team.git("cat-file", "tag", tag)
    forged = raw.replace(team.git("rev-parse", "HEAD~1").strip(), team.head)
    command = ["git", "hash-object", "-t", "tag", "-w", "--stdin"]
    name = subprocess.run(command, cwd=team.root, input=forged, capture_output=True, text=True, check=True).stdout
    team.git("update-ref", "refs/tags/approvals/x/forged", name.strip())
    assert "0 of 2 approvals" in team.run("verify", "HEAD~1..", code=1).stdout


def test_only_the_approvers_count_where_they_are_named(team: Team) -> None:
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(team.keys / "bob.pub")], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    team.edit("rollstep.yaml", "approvals: 2\n", f"approvals: 1\n    approvers: {{Bob: ['{fingerprint}', '@bobby']}}\n")
    team.commit("Name who approves")
    team.become("alice", sign=True)
    team.release()
    team.approve("alice")
    assert "0 of 1 approvals" in team.run("verify", "HEAD~1..", code=1).stdout
    reviews = json.dumps({team.head: ["bobby", "mallory"]})
    team.run("verify", "HEAD~1..", "--reviews", "-", stdin=reviews)
    team.approve("bob")
    team.run("verify", "HEAD~1..")


def test_reviews_come_from_a_file(team: Team, tmp_path: Path) -> None:
    team.become("alice")
    team.release()
    file = tmp_path / "reviews.json"
    file.write_text(json.dumps({team.head: ["alice", "alice"]}), encoding="utf-8")
    assert "1 of 2 approvals: @alice" in team.run("verify", "HEAD~1..", "--reviews", str(file), code=1).stdout
    file.write_text(json.dumps({team.head: ["alice", "bob"]}), encoding="utf-8")
    team.run("verify", "HEAD~1..", "--reviews", str(file))
    for text in ("[]", "{", '{"a": "b"}', '{"a": [1]}', "[" * 5000, '{"a": [], "a": ["bob"]}', " " * 16_000_001):
        file.write_text(text, encoding="utf-8")
        assert "--reviews" in team.run("verify", "--reviews", str(file), code=2).stderr


def test_rules_are_weakened_by_those_alone_who_could_approve(team: Team) -> None:
    team.become("alice", sign=True)
    team.edit("rollstep.yaml", "approvals: 2", "approvals: 1")
    team.commit("One is enough")
    assert "rollstep.yaml for prod: " in team.run("verify", "HEAD~1..", code=1).stdout
    team.approve("bob")
    team.run("verify", "HEAD~1..")
    team.edit("rollstep.yaml", "approvals: 1", "approvals: 1\n    source: {exec: [./print]}")
    team.become("eve", sign=True)
    team.commit("Print what I like")
    assert "rollstep.yaml for prod: " in team.run("verify", "HEAD~1..", code=1).stdout
    team.git("reset", "--quiet", "--hard", "HEAD~1")
    team.become("alice", sign=True)
    team.run("freeze", "add", "--until", "2099-01-01T00:00:00Z", "--reason", "Rest", "--env", "prod")
    team.run("verify", "HEAD~1..")
    team.become("alice")
    team.run("freeze", "lift", "rest")
    assert "freezes.yaml for prod: " in team.run("verify", "HEAD~1..", code=1).stdout
    team.approve("bob")
    team.run("verify", "HEAD~1..")


def test_a_lift_of_a_quarantine_needs_approvals(team: Team) -> None:
    team.become("alice")
    team.run("quarantine", "add", TWO, "--app", "web", "--reason", "Slow", "--now", NOON)
    team.run("verify", "HEAD~1..")
    team.run("quarantine", "lift", TWO, "--reason", "Fast", "--now", NOON)
    assert "quarantine.yaml for prod: " in team.run("verify", "HEAD~1..", code=1).stdout
    team.approve("alice")
    team.approve("bob")
    team.run("verify", "HEAD~1..")


def test_what_is_no_step_is_not_approved(team: Team) -> None:
    team.become("alice")
    team.edit("environments/prod/web/rendered/service-web-stable.yaml", "port: 80", "port: 81")
    team.commit("Hotfix")
    assert "was edited by hand" in team.run("approve", code=1).stderr
    team.git("config", "user.signingKey", str(team.keys / "nobody.pub"))
    assert "git could not sign: " in team.run("approve", "HEAD~1", code=1).stderr
    assert team.git("tag") == ""


def test_the_server_counts_tags_of_the_same_push(team: Team, tmp_path: Path) -> None:
    bare = tmp_path / "origin.git"
    team.git("clone", "--quiet", "--bare", ".", str(bare))
    team.configure(bare)
    hook = bare / "hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} -m renderer verify --pre-receive\n", encoding="utf-8")
    hook.chmod(0o755)
    team.git("remote", "add", "origin", str(bare))
    team.become("alice", sign=True)
    team.release()
    command = ["git", "push", "origin", "main"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}

    def push(*refs: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *refs], cwd=team.root, env=environment, capture_output=True, text=True)

    refused = push()
    assert refused.returncode == 1
    assert "remote:   approvals: web (prod): " in refused.stderr
    assert "1 of 2 approvals: alice@example.com" in refused.stderr
    team.approve("bob")
    assert push("refs/tags/approvals/*:refs/tags/approvals/*").returncode == 0


@pytest.fixture
def gnupg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a home for GnuPG with keys of carol and dave; its socket needs a short path."""
    if shutil.which("gpg") is None:
        pytest.skip("there is no gpg")
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    monkeypatch.setenv("GNUPGHOME", str(home))
    for name in ("carol", "dave"):
        who = f"{name.title()} <{name}@example.com>"
        command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", who, "ed25519", "sign"]
        subprocess.run(command, check=True, capture_output=True)
    yield home
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, capture_output=True)
    shutil.rmtree(home, ignore_errors=True)


def test_gpg_keys_count_beside_ssh_keys(team: Team, gnupg: Path) -> None:
    assert gnupg.is_dir()
    team.git("config", "gpg.format", "openpgp")
    team.git("config", "user.email", "carol@example.com")
    team.git("config", "user.signingKey", "carol@example.com")
    team.git("config", "commit.gpgSign", "true")
    team.release()
    assert "1 of 2 approvals: carol@example.com" in team.run("verify", "HEAD~1..", code=1).stdout
    team.run("approve")
    assert "1 of 2 approvals: carol@example.com" in team.run("verify", "HEAD~1..", code=1).stdout
    team.git("config", "gpg.format", "ssh")
    team.approve("bob")
    team.run("verify", "HEAD~1..")
    team.git("tag", "--delete", *team.git("tag").split())
    team.git("config", "gpg.format", "openpgp")
    team.git("config", "user.email", "dave@example.com")
    team.git("config", "user.signingKey", "dave@example.com")
    team.run("approve")
    team.run("verify", "HEAD~1..")
    subprocess.run(["gpg", "--batch", "--yes", "--delete-secret-and-public-key", fingerprint("dave")], check=True)
    assert "1 of 2 approvals: carol@example.com" in team.run("verify", "HEAD~1..", code=1).stdout


def fingerprint(name: str) -> str:
    command = ["gpg", "--with-colons", "--fingerprint", f"{name}@example.com"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))


identities = st.lists(st.sampled_from(["a@x", "b@x", "SHA256:one", "SHA256:Two", "ABCD"]), min_size=1, max_size=3)
approvals = st.lists(
    st.builds(Approval, identities.map(tuple), st.sampled_from(["commit", "tag"]))
    | st.builds(Approval, st.sampled_from(["@a", "@b", "@A"]).map(lambda name: (name,)), st.just("review")),
    max_size=6,
)


@given(approvals)
def test_the_order_of_approvals_does_not_count_and_none_counts_twice(given_: list[Approval]) -> None:
    found = distinct_people(given_, {})
    assert distinct_people([*given_, *given_], {}) == found
    shuffled = sorted(given_, key=lambda approval: (approval.how, approval.identities), reverse=True)
    assert distinct_people(shuffled, {}) == found
    assert len(found) <= max(
        len([item for item in given_ if item.how == "review"]), len([item for item in given_ if item.how != "review"])
    )


def test_one_key_is_one_person() -> None:
    approvers = {"Alice": ["alice@x", "@alice"], "Mallory": ["SHA256:m", "ABCD", "@mallory"]}
    for fingerprint in ("SHA256:m", "ABCD"):
        one = Approval(("alice@x", fingerprint), "commit")
        assert distinct_people([one, one], approvers) == ("Mallory",)
    two = Approval(("SHA256:m2", "alice@x", "@mallory"), "tag")
    assert len(distinct_people([two], approvers)) == 1


def test_people_are_told_apart_by_all_that_they_share() -> None:
    one, two = Approval(("SHA256:1", "a@x"), "commit"), Approval(("SHA256:2", "A@x"), "tag")
    assert distinct_people([one, two], {}) == ("a@x",)
    assert distinct_people([one, Approval(("SHA256:2", "b@x"), "tag")], {}) == ("a@x", "b@x")
    bridge = Approval(("a@x", "b@x"), "tag")
    assert distinct_people([one, Approval(("SHA256:2", "b@x"), "tag"), bridge], {}) == ("a@x",)
    assert distinct_people([one, Approval(("@ann",), "review")], {}) == ("a@x",), "they may be one person"
    assert distinct_people([one, Approval(("@ann",), "review")], {"Ann": ["a@x", "@ann"]}) == ("Ann",)
    assert distinct_people([one, Approval(("@bo",), "review")], {"Ann": ["a@x"], "Bo": ["@bo"]}) == ("Ann", "Bo")
    assert distinct_people([Approval(("sha256:1",), "tag")], {"Ann": ["SHA256:1"]}) == ()
