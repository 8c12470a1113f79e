"""`rollstep verify --pre-receive` as the hook of a real bare repository, with real pushes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

WEB = "environments/prod/web"
CANARY = f"{WEB}/rendered/ingress-web-web-canary.yaml"


class Pushing(Checkout):
    """A checkout with a remote whose hook is rollstep."""

    def __init__(self, root: Path, *arguments: str) -> None:
        super().__init__(root)
        self.bare = root.parent / "origin.git"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        hook = self.bare / "hooks/pre-receive"
        # The quarantine's folder is noted: what is pushed is judged before it is in the repository.
        command = f"{sys.executable} -m renderer verify --pre-receive {' '.join(arguments)}"
        hook.write_text(f'#!/bin/sh\necho "$GIT_QUARANTINE_PATH" >>quarantine\nexec {command}\n', encoding="utf-8")
        hook.chmod(0o755)
        self.git("remote", "add", "origin", str(self.bare))

    def push(self, *arguments: str, code: int = 0) -> str:
        """Push and return git's messages; check that a refused push changes no ref."""
        before = self.refs()
        command = ["git", "push", "origin", *(arguments or ("main",))]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        if code:
            assert self.refs() == before
            assert "pre-receive hook declined" in done.stderr
        return done.stderr

    def refs(self) -> str:
        command = ["git", "-C", str(self.bare), "for-each-ref"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def step(self, *verb: str, now: str = NOON) -> None:
        self.run(*verb, "--no-validate", "--now", now)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pushing")
    pushing = Pushing(root / "repo")
    pushing.step("advance", "prod/web")
    pushing.push()
    pushing.step("set", "image", "prod/web", f"web={TWO}")
    return root


@pytest.fixture
def pushing(template: Path, tmp_path: Path) -> Pushing:
    """A checkout one step ahead of its remote."""
    shutil.copytree(template, tmp_path / "copy", symlinks=True)
    found = Pushing.__new__(Pushing)
    found.root, found.bare = tmp_path / "copy/repo", tmp_path / "copy/origin.git"
    found.git("remote", "set-url", "origin", str(found.bare))
    return found


def test_legal_steps_are_taken_while_they_are_in_quarantine(pushing: Pushing) -> None:
    told = pushing.push()
    assert "remote: refs/heads/main: 1 commit verified, 1 release step: all legal" in told
    assert pushing.head in pushing.refs()
    assert "tmp_objdir-incoming" in (pushing.bare / "quarantine").read_text(encoding="utf-8").splitlines()[-1]


def test_a_hand_edit_is_refused_with_its_file_and_line_before_the_pusher(pushing: Pushing) -> None:
    pushing.edit(CANARY, 'canary-weight: "20"', 'canary-weight: "90"')
    pushing.commit("Hotfix")
    told = pushing.push(code=1)
    assert f"remote: {pushing.head[:9]} Hotfix" in told
    assert f"remote:   {CANARY}:9: was edited by hand" in told
    pushing.git("revert", "--no-edit", "HEAD")
    assert "Hotfix" in pushing.push(code=1), "what is refused once stays in the history"
    pushing.git("reset", "--quiet", "--hard", "HEAD~2")
    pushing.push()


def test_a_branch_that_holds_releases_is_neither_rewritten_nor_deleted(pushing: Pushing) -> None:
    pushing.push()
    pushing.git("reset", "--quiet", "--hard", "HEAD~1")
    pushing.step("set", "image", "prod/web", "web=web:3")
    assert "main: would be rewritten" in pushing.push("--force", "main", code=1)
    assert "main: would be deleted" in pushing.push(":main", code=1)


def test_other_branches_are_free(pushing: Pushing) -> None:
    pushing.edit(CANARY, 'canary-weight: "20"', 'canary-weight: "90"')
    pushing.commit("Try")
    pushing.push("main:try")
    pushing.git("reset", "--quiet", "--hard", "HEAD~1")
    pushing.push("--force", "main:try")
    pushing.push(":try")


def test_a_new_branch_and_patterns(tmp_path: Path) -> None:
    pushing = Pushing(tmp_path / "repo", "--branch", "main", "--branch", "'env/*'")
    pushing.step("advance", "prod/web")
    pushing.push()
    assert "0 commits verified" in pushing.push("main:env/prod")
    pushing.edit(f"{WEB}/rendered/service-web-stable.yaml", "port: 80", "port: 81")
    pushing.commit("Hotfix")
    assert "was edited by hand" in pushing.push("main:env/new", code=1)
    assert "was edited by hand" in pushing.push("main:try", "main:env/prod", code=1)
    pushing.push("main:try")
    assert "was edited by hand" in pushing.push("main:env/new", code=1), "nobody has looked at it on try"
    assert "env/prod: would be deleted" in pushing.push(":env/prod", code=1)


def test_a_new_branch_that_is_called_as_those_of_environments(tmp_path: Path) -> None:
    pushing = Pushing(tmp_path / "repo", "--branch", "main", "--branch", "'env/*'", "--branch", "'team/*'")
    pushing.edit("rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {environmentBranch: env/prod}}\n")
    pushing.step("advance", "prod/web", "--include-sources")
    pushing.push("main", "env/prod")
    told = pushing.push("main:env/feature", code=1)
    assert "env/feature: is the branch of no environment (those are env/prod)" in told
    pushing.push("main:team/feature")
    pushing.edit("rollstep.yaml", "  dev:\n", "  dev:\n    commit: {environmentBranch: env/dev}\n")
    pushing.commit("A branch for dev")
    pushing.step("advance", "dev/web")
    pushing.push("main")
    pushing.push("env/dev")


def test_a_clock_that_is_ahead_ends_no_pause(pushing: Pushing) -> None:
    pushing.step("promote", "prod/web")
    pushing.step("advance", "prod/web", now="2099-01-01T00:00:00Z")
    told = pushing.push(code=1)
    assert "2099-01-01T00:00:00Z is later than the commit" in told


def test_tags_and_what_is_no_line_of_git(pushing: Pushing) -> None:
    pushing.push()
    pushing.git("tag", "v1")
    pushing.push("v1")
    told = pushing.run("verify", "--pre-receive", code=2, stdin="hello\n")
    assert "expected lines `OLD NEW REF`" in told.stderr
    pushing.run("verify", "--pre-receive", stdin="")


def test_an_environments_branch_is_what_its_source_gives(tmp_path: Path) -> None:
    pushing = Pushing(tmp_path / "repo", "--branch", "main", "--branch", "'env/*'")
    pushing.edit("rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {environmentBranch: env/prod}}\n")
    pushing.step("advance", "prod/web", "--include-sources")
    assert "is not in this repository" in pushing.push("env/prod", code=1)
    pushing.push("main:try")
    assert "is on no guarded branch" in pushing.push("env/prod", code=1)
    pushing.push("main", "env/prod")
    pushing.step("set", "image", "prod/web", f"web={TWO}")
    pushing.step("promote", "prod/web")
    told = pushing.push("main", "env/prod")
    assert "refs/heads/env/prod: 2 commits verified, 2 release steps: all legal" in told
    pushing.run("verify", "env/prod")
    pushing.git("switch", "--quiet", "env/prod")
    pushing.edit("web/rendered/ingress-web-web-canary.yaml", 'canary-weight: "40"', 'canary-weight: "90"')
    pushing.commit("Hotfix")
    told = pushing.push("env/prod", code=1)
    assert "remote:   Rollstep-Source: is missing, and hydrator.metadata has " in told
    message = pushing.git("log", "-1", "--format=%B", "HEAD~1")
    pushing.git("commit", "--quiet", "--amend", "--message", message)
    told = pushing.push("env/prod", code=1)
    assert "remote:   web/rendered/ingress-web-web-canary.yaml:9: was edited by hand" in told
    pushing.git("reset", "--quiet", "--hard", "HEAD~1")
    older = pushing.git("rev-parse", "HEAD~1^{tree}").strip()
    message = pushing.git("log", "-1", "--format=%B", "HEAD~1")
    back = pushing.git("commit-tree", "-p", "HEAD", "-m", message, older).strip()
    told = pushing.push(f"{back}:env/prod", code=1)
    assert "does not follow" in told
