"""Hooks of git that run rollstep: in rollstep's own commits, and in those of a person."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, PROJECT, STEP_ORDER, TWO, Checkout

WEB = "environments/prod/web"
ROLLOUT = f"{WEB}/rollout.yaml"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    root = tmp_path / "repo"
    root.mkdir()
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/rollstep"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m renderer "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    made = Checkout(root)
    for name in ("dev", "staging", "prod/api"):
        shutil.rmtree(root / "environments" / name)
    (root / "rollstep.yaml").write_text(f"defaults:\n  namespace: shop\n{STEP_ORDER}", encoding="utf-8")
    made.commit("Keep one app")
    return made


@pytest.fixture
def released(checkout: Checkout) -> Checkout:
    """Return the checkout with a release at its second pause, which took two steps."""
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate")
    return checkout


def hook(checkout: Checkout, text: str, name: str = "pre-commit") -> None:
    path = checkout.root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh -e\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def commit(checkout: Checkout, *options: str, code: int = 0) -> str:
    command = ["git", "commit", "--quiet", "--all", *options]
    done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def legal(checkout: Checkout) -> None:
    checkout.run("render", "--check", "prod/web", "--no-validate")
    checkout.run("verify")
    assert changes(checkout) == ""


def changes(checkout: Checkout) -> str:
    return checkout.git("status", "--porcelain", "--untracked-files=no")


FORMATS = "for f in $(git diff --cached --name-only -- '*/rendered/*.yaml'); do echo '# end' >> $f; git add $f; done"
RENDERS = "rollstep render --no-validate && git add environments"


def test_a_verb_passes_the_hooks_of_its_own_commits(checkout: Checkout) -> None:
    hook(checkout, "rollstep render\nrollstep render --check\nrollstep lint environments\nrollstep status")
    ignored = shutil.ignore_patterns("rendered", "status.yaml")
    shutil.copytree(PROJECT / "environments/prod/api", checkout.root / "environments/prod/api", ignore=ignored)
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--no-verify", "--message=Add another app")
    # One commit for each app, while the other one is not rendered yet.
    checkout.process("advance", "prod", "--now", NOON, "--no-validate")
    assert len(checkout.subjects) == 5
    told = checkout.process("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    assert "interrupted" not in told.stderr
    checkout.process("freeze", "add", "--until", "2027-01-01T00:00:00Z", "--reason", "Rest", "--now", NOON)
    assert len(checkout.subjects) == 7
    legal(checkout)


def test_a_hook_of_a_verb_finds_what_is_wrong_in_its_commit(released: Checkout) -> None:
    before = released.snapshot()
    hook(released, f"echo '# end' >> {WEB}/status.yaml\nrollstep render")
    told = released.process("promote", "prod/web", "--now", NOON, "--no-validate", code=1)
    assert "a hook (pre-commit) refused the commit" in told.stderr
    assert "rollstep render prod/web" in told.stderr
    assert released.snapshot() == before


def test_a_command_that_commits_is_refused_in_a_hook_of_a_verb(released: Checkout) -> None:
    before = released.snapshot()
    hook(released, "rollstep pause prod/web")
    told = released.process("promote", "prod/web", "--now", NOON, "--no-validate", code=1)
    assert "a hook of rollstep's own commit runs a command that commits" in told.stderr
    assert released.snapshot() == before


def test_a_stale_variable_of_a_hook_changes_nothing(released: Checkout) -> None:
    released.edit(ROLLOUT, "replicas: 5", "replicas: 10")
    released.process("render", "prod/web", "--no-validate", ROLLSTEP_COMMITS_IN=str(released.root))
    assert released.git("status", "--porcelain", "--", f"{WEB}/rendered")


@pytest.mark.parametrize(
    ("script", "file"),
    [
        (FORMATS, "replicaset-web-"),
        (f"echo '# end' >> {WEB}/status.yaml; git add {WEB}", f"{WEB}/status.yaml"),
        ("echo new > notes; git add notes", "notes"),
    ],
    ids=["a rendered file", "the status", "another file"],
)
def test_what_a_hook_changes_in_a_verbs_commit_is_not_committed(released: Checkout, script: str, file: str) -> None:
    head, branch = released.head, released.git("symbolic-ref", "HEAD")
    hook(released, script)
    told = released.process("promote", "prod/web", "--now", NOON, "--no-validate", code=1)
    assert "a hook changed it in rollstep's commit" in told.stderr
    assert file in told.stderr
    assert (released.head, released.git("symbolic-ref", "HEAD")) == (head, branch)
    assert changes(released) == ""
    (released.root / ".git/hooks/pre-commit").unlink()
    released.process("promote", "prod/web", "--now", NOON, "--no-validate")
    legal(released)


def test_what_a_hook_changes_in_the_first_commit_is_not_committed(checkout: Checkout) -> None:
    checkout.git("update-ref", "-d", "HEAD")
    hook(checkout, "echo new > notes && git add notes")
    told = checkout.process("advance", "prod/web", "--include-sources", "--now", NOON, "--no-validate", code=1)
    assert "notes: a hook changed it" in told.stderr
    assert checkout.git("for-each-ref") == ""


def edit(checkout: Checkout, number: int) -> None:
    """Change the first step's weight, which begins the steps anew."""
    checkout.edit(ROLLOUT, f"setWeight: {number - 1}", f"setWeight: {number}")


def test_an_amended_commit_is_one_step_from_the_commit_before(released: Checkout) -> None:
    base = released.head
    hook(released, RENDERS)
    edit(released, 21)
    commit(released, "--message=Edit")
    edit(released, 22)
    commit(released, "--amend", "--no-edit")
    assert released.git("rev-parse", "HEAD^").strip() == base
    assert released.weight("prod/web") == "22"
    legal(released)


def test_an_amended_first_release_is_one_of_the_new_version(checkout: Checkout) -> None:
    hook(checkout, "rollstep render prod/web --no-validate && git add environments")
    commit(checkout, "--message=Render", "--allow-empty")
    checkout.edit(ROLLOUT, ONE, TWO)
    commit(checkout, "--amend", "--no-edit")
    assert checkout.replicas("prod/web") == {"2.0.0": 5}
    legal(checkout)


def test_a_commit_is_one_step_however_often_its_sources_are_rendered(released: Checkout) -> None:
    edit(released, 21)
    released.run("render", "prod/web", "--now", "2026-03-01T13:00:00Z", "--no-validate")
    edit(released, 22)
    hook(released, RENDERS)
    commit(released, "--message=Edit")
    legal(released)


def test_the_check_names_the_commands_for_a_commit_that_is_no_step(released: Checkout) -> None:
    edit(released, 21)
    released.run("render", "prod/web", "--now", "2026-03-01T13:00:00Z", "--no-validate")
    edit(released, 22)
    released.run("render", "prod/web", "--now", "2026-03-01T14:00:00Z", "--no-validate")
    hook(released, "rollstep render --check prod/web")
    told = commit(released, "--message=Edit", code=1)
    assert "the status does not follow from the commit before" in told
    (command,) = [line.rpartition("(")[2].rstrip(")") for line in told.splitlines() if line.startswith("error:")]
    subprocess.run(["sh", "-ec", command], cwd=released.root, check=True, capture_output=True)
    commit(released, "--message=Edit")
    legal(released)


def test_an_amended_message_leaves_the_step_as_it_is(released: Checkout) -> None:
    hook(released, f"{RENDERS}\nrollstep render --check prod/web")
    before = released.git("rev-parse", "HEAD^{tree}")
    (released.root / "README.md").write_text("Read me\n", encoding="utf-8")
    released.git("add", "README.md")
    message = released.git("log", "-1", "--format=%B")
    commit(released, "--amend", f"--message=Release 2.0.0\n\n{message}")
    assert released.git("rev-parse", f"HEAD:{WEB}") == released.git("rev-parse", f"{before.strip()}:{WEB}")
    legal(released)


def test_amending_a_verbs_commit_to_another_step_is_refused(released: Checkout) -> None:
    before = released.head
    hook(released, RENDERS)
    edit(released, 21)
    told = commit(released, "--amend", "--no-edit", code=1)
    assert "prod/web: --amend changes what a commit of rollstep" in told
    assert "without --amend" in told
    assert released.head == before


@pytest.mark.parametrize("name", ["pre-commit", "pre-merge-commit"])
def test_a_merge_keeps_the_steps_of_the_merged_branch(released: Checkout, name: str) -> None:
    hook(released, f"{RENDERS}\nrollstep render --check prod/web", name)
    released.git("switch", "--quiet", "--create", "release")
    released.process("promote", "prod/web", "--now", NOON, "--no-validate")
    released.process("promote", "prod/web", "--now", NOON, "--no-validate")
    tree = released.git("rev-parse", f"HEAD:{WEB}")
    released.git("switch", "--quiet", "main")
    (released.root / "README.md").write_text("Read me\n", encoding="utf-8")
    released.git("add", "README.md")
    commit(released, "--message=Read me")
    options = ["--no-commit"] if name == "pre-commit" else []
    released.git("merge", "--quiet", "--no-edit", "--no-ff", *options, "release")
    if options:
        commit(released, "--no-edit")
    assert released.git("rev-parse", f"HEAD:{WEB}") == tree
    legal(released)


def test_a_rebase_and_a_revert_keep_the_steps(released: Checkout) -> None:
    base = released.head
    released.process("promote", "prod/web", "--now", NOON, "--no-validate")
    tree = released.git("rev-parse", f"HEAD:{WEB}")
    hook(released, f"{RENDERS}\nrollstep render --check prod/web")
    released.git("switch", "--quiet", "--create", "other", base)
    (released.root / "README.md").write_text("Read me\n", encoding="utf-8")
    released.git("add", "README.md")
    commit(released, "--message=Read me")
    released.git("rebase", "--quiet", "other", "main")
    assert released.git("rev-parse", f"HEAD:{WEB}") == tree
    released.git("revert", "--no-commit", "HEAD")
    commit(released, "--no-edit")
    assert released.git("rev-parse", f"HEAD:{WEB}") == released.git("rev-parse", f"{base}:{WEB}")
    legal(released)
