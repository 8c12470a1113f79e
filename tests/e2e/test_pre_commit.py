"""The hooks for pre-commit, by the real pre-commit on a real repository: it installs rollstep as it does for all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import NOON, PROJECT, TWO, Checkout


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a repository with the project as it is now, and its commit."""
    root = tmp_path_factory.mktemp("rollstep")
    listed = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in listed.split("\0"):
        if name and not name.startswith("tests/") and (PROJECT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes((PROJECT / name).read_bytes())
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=rollstep"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True).stdout
    return root, head.strip()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def checkout(tmp_path: Path, hooks: tuple[Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(cache))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    root, commit = hooks
    made = Checkout(tmp_path)
    made.run("advance", "--all", "--now", NOON, "--no-validate")
    config = (
        f"repos:\n- repo: file://{root}\n  rev: {commit}\n  hooks: [{{id: rollstep-render}}, {{id: rollstep-check}}]\n"
    )
    (made.root / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    made.git("add", ".pre-commit-config.yaml")
    made.git("commit", "--quiet", "--message=Use pre-commit")
    subprocess.run(["pre-commit", "install"], cwd=made.root, check=True, capture_output=True)
    return made


def commit(checkout: Checkout, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "commit", "--quiet", "--message=Edit", *options]
    return subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)


def test_what_a_source_changes_is_rendered_before_it_is_committed(checkout: Checkout) -> None:
    head = checkout.head
    checkout.edit("environments/prod/web/rollout.yaml", "replicas: 5", "replicas: 6")
    checkout.git("add", "--update")
    first = commit(checkout)
    assert first.returncode == 1
    assert "files were modified by this hook" in first.stderr
    assert checkout.head == head
    assert checkout.replicas("prod/web") == {"1.0.0": 6}
    checkout.git("add", "--update")
    second = commit(checkout)
    assert second.returncode == 0, second.stderr
    assert len(re.findall(r"Passed", second.stderr)) == 2
    assert checkout.git("status", "--porcelain") == ""


def test_what_is_rendered_is_not_edited_by_hand(checkout: Checkout) -> None:
    head = checkout.head
    (file,) = (checkout.root / "environments/prod/web/rendered").glob("replicaset-*.yaml")
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("replicas: 5", "replicas: 4"), encoding="utf-8")
    checkout.git("add", "--update")
    environment = {**os.environ, "SKIP": "rollstep-render"}
    command = ["git", "commit", "--quiet", "--message=By hand"]
    done = subprocess.run(command, cwd=checkout.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "-  replicas: 4" in done.stderr
    assert "+  replicas: 5" in done.stderr
    assert checkout.head == head


def run_hooks(checkout: Checkout, *more: str) -> None:
    """Use all three hooks, and ``more`` hooks of the repository itself, in YAML."""
    config = checkout.root / ".pre-commit-config.yaml"
    text = config.read_text(encoding="utf-8")
    text = text.replace("[{id: rollstep-render}, {id: rollstep-check}]", HOOKS)
    config.write_text(f"{text}{''.join(more)}", encoding="utf-8")
    checkout.git("commit", "--quiet", "--all", "--no-verify", "--message=Use all hooks")


HOOKS = "[{id: rollstep-render}, {id: rollstep-check}, {id: rollstep-lint}]"
FORMATTER = """\
- repo: local
  hooks:
  - id: format
    name: format
    entry: sed -i s/^#.*Change.*/#/
    language: system
    types: [yaml]
"""


def test_every_verb_passes_the_hooks(checkout: Checkout) -> None:
    run_hooks(checkout)
    verbs = [
        *(["set", "image", "prod/web", f"web={TWO}"], ["scale", "prod/web", "--replicas", "6"], ["pause", "prod/web"]),
        *(["resume", "prod/web"], ["promote", "prod/web"], ["abort", "prod/web"], ["retry", "prod/web"]),
        *(["undo", "prod/web"], ["restart", "prod/web"], ["advance", "prod"]),
        ["freeze", "add", "--until", "2027-01-01T00:00:00Z", "--reason", "Rest", "--name", "rest"],
        ["freeze", "lift", "rest"],
    ]
    for verb in verbs:
        checkout.process(*verb, "--now", NOON)
    assert checkout.git("status", "--porcelain") == ""
    checkout.process("verify")


def test_a_hook_that_formats_what_is_rendered_is_refused_until_it_leaves_that_out(checkout: Checkout) -> None:
    run_hooks(checkout, FORMATTER)
    head = checkout.head
    refused = checkout.process("set", "image", "prod/web", f"web={TWO}", "--now", NOON, code=1)
    assert "a hook (pre-commit) refused the commit" in refused.stderr
    assert "files were modified by this hook" in refused.stderr
    assert checkout.head == head
    assert checkout.git("status", "--porcelain") == ""
    config = checkout.root / ".pre-commit-config.yaml"
    pages = (PROJECT / "docs/how-to/pre-commit.md").read_text(encoding="utf-8")
    (exclude,) = re.findall(r"`(exclude: .*?)`", pages)
    config.write_text(f"{exclude}\n{config.read_text(encoding='utf-8')}", encoding="utf-8")
    checkout.git("commit", "--quiet", "--all", "--no-verify", "--message=Leave it out")
    checkout.process("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    checkout.process("verify")


def test_an_amended_commit_is_one_step(checkout: Checkout) -> None:
    checkout.process("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.process("promote", "prod/web", "--now", NOON, "--no-validate")
    for weight, options in ((21, []), (22, ["--amend"])):
        checkout.edit("environments/prod/web/rollout.yaml", f"setWeight: {weight - 1}", f"setWeight: {weight}")
        checkout.git("add", "--update")
        assert commit(checkout, *options).returncode == 1
        checkout.git("add", "--update")
        done = commit(checkout, *options)
        assert done.returncode == 0, done.stderr
    checkout.process("verify")
    assert checkout.weight("prod/web") == "22"


def test_a_merge_and_a_rebase_keep_the_steps(checkout: Checkout) -> None:
    run_hooks(checkout)
    subprocess.run(["pre-commit", "install", "--hook-type", "pre-merge-commit"], cwd=checkout.root, check=True)
    checkout.git("switch", "--quiet", "--create", "release")
    checkout.process("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.process("promote", "prod/web", "--now", NOON, "--no-validate")
    tree = checkout.git("rev-parse", "HEAD:environments/prod/web")
    checkout.git("switch", "--quiet", "--create", "notes", "main")
    (checkout.root / "README.md").write_text("Read me\n", encoding="utf-8")
    checkout.git("add", "README.md")
    assert commit(checkout).returncode == 0
    checkout.git("rebase", "--quiet", "notes", "release")
    assert checkout.git("rev-parse", "HEAD:environments/prod/web") == tree
    checkout.git("switch", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-ff", "--no-edit", "release")
    assert checkout.git("rev-parse", "HEAD:environments/prod/web") == tree
    checkout.process("verify")


def test_a_mistake_is_found_before_it_is_committed(checkout: Checkout) -> None:
    config = checkout.root / ".pre-commit-config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("[{id: rollstep-render}, {id: rollstep-check}]", "[{id: rollstep-lint}]"))
    checkout.git("commit", "--quiet", "--all", "--message=Lint alone")
    head = checkout.head
    checkout.edit("environments/prod/web/rollout.yaml", "setWeight: 20", "setWeight: 120")
    checkout.git("add", "--update")
    refused = commit(checkout)
    assert refused.returncode == 1
    assert "RS231 error: spec.strategy.steps[0].setWeight: 120 is not between 0 and 100" in refused.stderr
    assert checkout.head == head
    checkout.edit("environments/prod/web/rollout.yaml", "setWeight: 120", "setWeight: 30")
    checkout.git("add", "--update")
    assert commit(checkout).returncode == 0
