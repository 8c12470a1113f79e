"""Pull requests on each forge, with a server that checks every request against the forge's OpenAPI description."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import NOON, TWO, Checkout
from tests.support.forge_server import PREFIXES, TOKEN, ForgeServer

VARIABLES = {
    "github": "GITHUB_TOKEN",
    "gitlab": "GITLAB_TOKEN",
    "gitea": "GITEA_TOKEN",
    "bitbucket": "BITBUCKET_TOKEN",
}
SETTINGS = """\
defaults:
  namespace: shop-${{environment}}
  order: step
  commit: {{author: {{name: rollstep, email: rollstep@example.com}}}}
  pullRequest: {{labels: [release, canary], reviewers: [ann]}}
environments:
  dev: {{values: {{replicas: 2, tag: "1.0.0"}}}}
forge: {{type: {forge}, url: '{url}'}}
"""


@cache
def released() -> Path:
    """Return a checkout with a release of prod/web in progress, which each test copies."""
    root = Path(tempfile.mkdtemp(prefix="rollstep-released-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    made = Checkout(root)
    made.run("advance", "prod/web", "--now", NOON, "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    return root


class Shop(Checkout):
    """A checkout whose remote is the server, with a release of prod/web in progress."""

    def __init__(self, root: Path, server: ForgeServer) -> None:
        self.root = root
        shutil.copytree(released(), root, dirs_exist_ok=True)
        text = SETTINGS.format(forge=server.forge, url=server.url)
        (root / "rollstep.yaml").write_text(text, encoding="utf-8")
        self.commit("Name the forge")
        self.git("remote", "add", "origin", server.remote)
        self.git("push", "--quiet", str(server.folder / "shop/web.git"), "main")

    def pr(self, *arguments: str, code: int = 0) -> Any:
        done = self.run("pr", "prod/web", "--no-validate", "-o", "json", *arguments, code=code)
        assert TOKEN not in done.stdout + done.stderr
        return [entry["pullRequest"] for entry in json.loads(done.stdout)] if code == 0 else done.stderr


@pytest.fixture(params=list(VARIABLES))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeServer]:
    yield from serve(request.param, tmp_path_factory)


@pytest.fixture
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeServer]:
    yield from serve("github", tmp_path_factory)


def serve(forge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeServer]:
    with pytest.MonkeyPatch.context() as patch, ForgeServer(forge, tmp_path_factory.mktemp("forge")) as made:
        for name in (*VARIABLES.values(), "GH_TOKEN", "FORGEJO_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv(VARIABLES[forge], TOKEN)
        yield made
        assert made.violations == []


def test_the_life_of_a_stack(server: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, server)
    # A second run opens no second pull request.
    (first,) = shop.pr()
    assert first["action"] == "opened"
    (found,) = server.open_ones
    assert (found["head"], found["base"], found["title"]) == (first["head"], "main", first["title"])
    assert found["labels"] == ([] if server.forge == "bitbucket" else ["release", "canary"])
    assert found["reviewers"] == ["ann"]
    for part in ("**Pods:**", "| Step |", "```diff", "canary-weight", "web-canary"):
        assert part in found["body"]
    draws_and_folds = server.forge != "bitbucket"
    assert ("```mermaid\ngantt\n" in found["body"]) is draws_and_folds
    assert ("<details>" in found["body"]) is draws_and_folds
    assert "2.0.0 gets 40% of the traffic, 1 pod more; 1.0.0 keeps 60% of the traffic; nothing else." in found["body"]
    assert "After it the release waits 10m." in found["body"]
    assert "`rollstep abort prod/web` gives all traffic back to 1.0.0." in found["body"]
    assert found["title"].endswith(" [web:2.0.0]")
    writes = len([method for method, _, _ in server.requests if method != "GET"])
    tips = server.git("for-each-ref")
    (again,) = shop.pr()
    assert (again["action"], again["number"], again["commit"]) == ("unchanged", first["number"], first["commit"])
    assert len([method for method, _, _ in server.requests if method != "GET"]) == writes
    assert server.git("for-each-ref") == tips
    # The labels and reviewers that people add stay; the title is restored.
    found["labels"].append("urgent")
    found["title"] = "Something else"
    (mended,) = shop.pr()
    assert mended["action"] == "updated"
    assert found["title"] == first["title"]
    assert "urgent" in found["labels"]
    assert found["reviewers"] == ["ann"] or found["reviewers"] == ["{ann}"]
    # The other steps go on top of it.
    rows = shop.pr("--stack")
    assert rows[0]["action"] == "updated"  # Its body lists the stack now.
    assert {row["action"] for row in rows[1:]} == {"opened"}
    assert [row["base"] for row in rows] == ["main", *(row["head"] for row in rows[:-1])]
    assert len(server.open_ones) == len(rows) > 2
    for row in rows:
        parent = server.git("rev-parse", f"{row['head']}^").strip()
        assert parent == server.git("rev-parse", row["base"]).strip()
    if server.forge == "github":
        assert {row["action"] for row in shop.pr("--stack")} == {"unchanged"}
    # A merge promotes the release.
    shop.git("fetch", "--quiet", "origin")
    shop.git("merge", "--quiet", "--no-ff", "--message=Merge", f"origin/{rows[0]['head']}")
    shop.git("push", "--quiet", "origin", "main", f":{rows[0]['head']}")
    server.pulls[rows[0]["number"]]["state"] = "merged"
    later = shop.pr("--stack")
    assert [row["number"] for row in later] == [row["number"] for row in rows[1:]]
    assert [row["commit"] for row in later] == [row["commit"] for row in rows[1:]]
    assert server.pulls[later[0]["number"]]["base"] == "main"
    # An abort closes the remaining ones.
    shop.run("abort", "prod/web", "--no-validate", "--push")
    assert server.open_ones == []
    assert {number for number, _ in server.comments} == {row["number"] for row in rows[1:]}
    assert "refs/heads/rollstep/" not in server.git("for-each-ref")


@pytest.fixture(autouse=True)
def git_has_the_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the tests' own git log in; rollstep's git brings its own credentials."""
    folder = tmp_path_factory.mktemp("askpass")
    script = folder / "askpass"
    script.write_text(f"#!/bin/sh\necho {TOKEN}\n", encoding="utf-8")
    script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_ASKPASS", str(script))
        yield


def test_a_dry_run_sends_no_requests_and_writes_nothing(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    before, refs = shop.snapshot(), shop.git("for-each-ref")
    objects = shop.git("count-objects", "-v")
    github.requests.clear()
    rows = shop.pr("--dry-run", "--stack")
    assert {row["action"] for row in rows} == {"planned"}
    assert all(row["body"] for row in rows)
    assert github.requests == []
    assert (shop.snapshot(), shop.git("for-each-ref")) == (before, refs)
    assert shop.git("count-objects", "-v") == objects
    assert "rollstep/" not in github.git("for-each-ref")


def test_the_work_tree_and_the_index_stay_as_they_are(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    (shop.root / "staged").write_text("staged\n", encoding="utf-8")
    shop.git("add", "staged")
    before = shop.snapshot()
    (row,) = shop.pr()
    assert shop.snapshot() == before
    assert "staged" not in github.git("ls-tree", "-r", "--name-only", row["head"])


def test_the_branch_has_what_advance_would_commit(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    now = "2026-03-01T13:00:00Z"
    (row,) = shop.pr("--now", now)
    shop.run("promote", "prod/web", "--now", now, "--no-validate")
    assert github.git("rev-parse", f"{row['head']}^{{tree}}") == shop.git("rev-parse", "HEAD^{tree}")
    message = github.git("log", "-1", "--format=%B", row["head"])
    assert message == shop.git("log", "-1", "--format=%B")


def test_every_commit_of_a_stack_is_a_legal_step(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    rows = shop.pr("--stack")
    shop.git("fetch", "--quiet", "origin")
    shop.run("verify", f"main..origin/{rows[-1]['head']}")
    shop.git("merge", "--quiet", "--no-ff", "--message=Merge", f"origin/{rows[0]['head']}")
    shop.run("verify", "origin/main..main")


def test_a_freeze_keeps_steps_from_being_proposed(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.run("freeze", "add", "--until", "2100-01-01T00:00:00Z", "--reason", "Holidays")
    if shop.git("status", "--porcelain"):
        shop.commit("Freeze")
    shop.git("push", "--quiet", "origin", "main")
    done = shop.run("pr", "prod/web", "--no-validate")
    assert "there is no step to propose now" in done.stderr
    assert github.pulls == {}


def test_an_image_in_quarantine_is_not_proposed(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.edit("rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {to: pull-request}}\n")
    shop.commit("Propose steps")
    three = TWO.replace("2.0.0", "3.0.0")
    shop.run("quarantine", "add", three, "--reason", "Slow", "--now", NOON)
    shop.edit("environments/prod/web/rollout.yaml", TWO, three)
    shop.commit("Update the image")
    shop.git("push", "--quiet", "origin", "main")
    assert "there is no step to propose now" in shop.run("pr", "prod/web", "--no-validate").stderr
    assert "there is no step to propose now" in shop.run("advance", "prod/web", "--no-validate").stderr
    done = shop.run("set", "image", "prod/web", f"web={three}-1", "--no-validate", "--now", NOON)
    assert len(github.pulls) == 1, done.stderr
    assert (
        "is in quarantine"
        in shop.run("set", "image", "prod/web", f"web={three}@sha256:{'a' * 64}", "--no-validate", code=1).stderr
    )
    assert len(github.pulls) == 1
    shop.run("quarantine", "lift", three, "--reason", "Fast")
    shop.git("push", "--quiet", "origin", "main")
    shop.pr()
    assert len(github.pulls) == 2


def test_unpushed_commits_are_refused(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    (shop.root / "README.md").write_text("Read me\n", encoding="utf-8")
    shop.commit("Say what this is")
    refs = github.git("for-each-ref")
    assert "a pull request would have other commits in it" in shop.pr(code=1)
    assert github.git("for-each-ref") == refs
    assert github.pulls == {}


def test_other_peoples_pull_requests_are_left_alone(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.git("push", "--quiet", "origin", "main:refs/heads/feature", "main:refs/heads/rollstep/prod/api/r2-step-1")
    github._add("feature", "main", "A feature", "")
    github._add("rollstep/prod/api/r2-step-1", "main", "Another app", "")
    github.page_size = 1
    shop.pr("--stack")
    shop.pr("--close")
    assert [pull["title"] for pull in github.open_ones] == ["A feature", "Another app"]
    assert "rollstep/prod/api/r2-step-1" in github.git("for-each-ref")


def test_the_token_stays_secret(server: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, server)
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            # A glob checks that each path exists, which raises for a process that has just ended.
            for process in filter(str.isdigit, os.listdir("/proc")):
                with suppress(OSError):
                    seen.add(Path("/proc", process, "cmdline").read_bytes().decode(errors="replace"))
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        environment = {**os.environ, VARIABLES[server.forge]: TOKEN, "GIT_ASKPASS": ""}
        command = [sys.executable, "-m", "renderer", "pr", "prod/web", "--no-validate"]
        done = subprocess.run(command, cwd=shop.root, env=environment, capture_output=True, text=True, check=False)
    finally:
        ended.set()
        watcher.join()
    assert done.returncode == 0, done.stderr
    assert any("renderer" in words and "prod/web" in words for words in seen)
    assert not [words for words in seen if TOKEN in words]
    assert TOKEN not in done.stdout + done.stderr
    for path in shop.root.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()
    assert not [path for _, path, _ in server.requests if TOKEN in path]
    assert not [body for _, _, body in server.requests if TOKEN in json.dumps(body)]


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (401, {}, "the token is not valid here"),
        (403, {}, "the token may not do this"),
        (404, {}, "the token may see the repository"),
        (403, {"Retry-After": "3600"}, "rate limit"),
        (429, {"Retry-After": "3600"}, "rate limit"),
        (302, {"Location": "https://elsewhere.example.com/"}, "has moved to elsewhere.example.com"),
    ],
)
def test_a_refusal_is_reported_with_a_hint(
    github: ForgeServer, tmp_path: Path, status: int, headers: dict[str, str], said: str
) -> None:
    shop = Shop(tmp_path, github)
    github.failures = [(status, headers)]
    before = len(github.requests)
    told = shop.pr(code=1)
    assert said in told
    assert len(github.requests) == before + 1
    assert github.pulls == {}


def test_a_failed_request_is_repeated(github: ForgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(tmp_path, github)
    waits: list[float] = []
    monkeypatch.setattr("renderer.git.forges.http.time.sleep", waits.append)
    github.failures = [(503, {}), (429, {"Retry-After": "2"})]
    (row,) = shop.pr()
    assert row["action"] == "opened"
    assert waits == [0.5, 2.0]


def test_a_write_that_may_have_succeeded_is_not_repeated(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.pr()
    (first,) = github.open_ones
    first["title"] = "Something else"
    original = github.answer

    def fail_once(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "PATCH":
            return 502, {"message": "Bad Gateway"}
        return original(method, path, query, body)

    github.answer = fail_once  # type: ignore[method-assign]  # this server has trouble with one method
    before = github.count("PATCH")
    assert "try again later" in shop.pr(code=1)
    assert github.count("PATCH") == before + 1


def test_without_a_token_nothing_is_pushed(
    github: ForgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, github)
    monkeypatch.delenv("GITHUB_TOKEN")
    refs = github.git("for-each-ref")
    told = shop.pr(code=1)
    assert "there is no token for GitHub" in told
    assert "GITHUB_TOKEN or GH_TOKEN" in told
    assert github.git("for-each-ref") == refs


def test_an_abort_without_a_token_names_the_open_branches(
    github: ForgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path, github)
    (row,) = shop.pr()
    shop.git("fetch", "--quiet", "origin")
    monkeypatch.delenv("GITHUB_TOKEN")
    done = shop.run("abort", "prod/web", "--no-validate")
    assert f"{row['head']} may have open pull requests: rollstep pr --close" in done.stderr
    assert shop.subjects[0].startswith("web (prod): abort")


def test_an_abort_that_is_not_pushed_closes_pull_requests(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.pr()
    main = github.git("rev-parse", "main")
    shop.run("abort", "prod/web", "--no-validate")
    assert github.open_ones == []
    assert github.git("rev-parse", "main") == main
    assert "refs/heads/rollstep/" not in github.git("for-each-ref")


def test_a_dry_run_closes_nothing_and_sends_no_requests(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    (row,) = shop.pr()
    github.requests.clear()
    (told,) = shop.pr("--close", "--dry-run")
    assert (told["action"], told["head"]) == ("planned", row["head"])
    assert github.requests == []
    assert len(github.open_ones) == 1


def test_a_reviewer_is_not_asked_again(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.pr()
    (found,) = github.open_ones
    found["reviewers"].clear()
    found["title"] = "Something else"
    (row,) = shop.pr()
    assert row["action"] == "updated"
    assert github.count("POST", "/requested_reviewers") == 1


def test_user_templates(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    (shop.root / "templates").mkdir()
    (shop.root / "templates" / "pull-request-title.j2").write_text("Ship {{ change.app }}!", encoding="utf-8")
    body = "{{ pods.peak }} pods\n{% include 'builtin/pull-request-body.j2' %}"
    (shop.root / "templates" / "pull-request-body.j2").write_text(body, encoding="utf-8")
    shop.commit("Say it our way")
    shop.git("push", "--quiet", "origin", "main")
    (row,) = shop.pr()
    assert row["title"] == "Ship web!"
    assert re.match(r"\d+ pods\n", row["body"])
    (shop.root / "templates" / "pull-request-body.j2").write_text("{{ nothing }}", encoding="utf-8")
    shop.commit("Break it")
    shop.git("push", "--quiet", "origin", "main")
    assert "pull-request-body.j2:1: 'nothing' is undefined" in shop.pr(code=1)


def test_commits_that_go_by_pull_request(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    text = (shop.root / "rollstep.yaml").read_text(encoding="utf-8")
    (shop.root / "rollstep.yaml").write_text(
        text.replace("environments:\n", "environments:\n  prod: {commit: {to: pull-request}}\n"), encoding="utf-8"
    )
    shop.commit("Review prod")
    shop.git("push", "--quiet", "origin", "main")
    before = shop.snapshot()
    told = json.loads(shop.run("advance", "prod/web", "--no-validate", "-o", "json").stdout)
    assert [entry["pullRequest"]["action"] for entry in told] == ["opened"]
    text_told = shop.run("advance", "prod/web", "--no-validate").stdout
    assert text_told.startswith("[unchanged #1] web (prod): ")
    assert "go by pull request" in shop.run("advance", "prod/web", "--to", "3", "--no-validate", code=2).stderr
    command = ("set", "image", "prod/web", "web=registry.example.com/shop/web:3.0.0", "--dry-run", "--no-validate")
    (planned,) = shop.json(*command)
    plan = planned["pullRequest"]["body"].partition("### Plan")[2].partition("### After")[0]
    assert "| 1 | 1/6 | setWeight: 20 | 20%, 1 pod |" in plan
    assert planned["pullRequest"]["title"].endswith(" [web:3.0.0]")
    shop.run("abort", "prod/web", "--no-validate")
    assert [pull["head"] for pull in github.open_ones] == ["rollstep/prod/web/abort"]
    assert shop.snapshot() == before


def test_a_step_that_is_refused_beside_a_pull_request(github: ForgeServer, tmp_path: Path) -> None:
    """While main is protected, neither the schedule's own step nor the pull requests go on."""
    shop = Shop(tmp_path, github)
    text = (shop.root / "rollstep.yaml").read_text(encoding="utf-8")
    (shop.root / "rollstep.yaml").write_text(
        text.replace("environments:\n", "environments:\n  prod: {commit: {to: pull-request}}\n"), encoding="utf-8"
    )
    shop.commit("Review prod")
    shop.git("push", "--quiet", "origin", "main")
    hook = github.folder / "shop/web.git/hooks/update"
    hook.write_text('#!/bin/sh\ntest "$1" != refs/heads/main\n', encoding="utf-8")
    hook.chmod(0o755)
    command = ("advance", "prod/web", "staging/web", "--push", "--no-validate")
    shop.run(*command, code=1)
    made, requests = shop.head, len(github.open_ones)
    assert shop.subjects[0].startswith("web (staging): first release")
    assert "pushing first what origin lacks: web (staging)" in shop.run(*command, code=1).stderr
    assert (shop.head, len(github.open_ones)) == (made, requests)
    hook.unlink()
    done = shop.run(*command)
    assert "web (staging): " in done.stderr
    assert [pull["head"] for pull in github.open_ones] == ["rollstep/prod/web/r2-step-3"]
    assert shop.git("rev-parse", "origin/main").strip() == made


def test_a_step_that_the_remote_took_back_is_in_no_pull_request(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    shop.run("promote", "prod/web", "--no-validate", "--push")
    taken = shop.head
    github.git("update-ref", "refs/heads/main", f"{taken}~1")
    for _ in range(2):
        told = shop.pr(code=1)
        assert f"main: origin/main was rewound and lacks {taken[:9]}" in told
        assert "git reset --keep origin/main" in told
    assert github.open_ones == []
    shop.git("reset", "--quiet", "--keep", "origin/main")
    (row,) = shop.pr()
    assert row["action"] == "opened"


def test_a_refused_branch_of_a_stack_is_pushed_by_the_next_run(github: ForgeServer, tmp_path: Path) -> None:
    shop = Shop(tmp_path, github)
    hook = github.folder / "shop/web.git/hooks/update"
    hook.write_text('#!/bin/sh\ncase "$1" in */r2-step-5) exit 1;; esac\n', encoding="utf-8")
    hook.chmod(0o755)
    before = shop.snapshot()
    assert "refused the push" in shop.pr("--stack", code=1)
    assert github.open_ones == []
    assert "rollstep/" not in github.git("for-each-ref")
    assert shop.snapshot() == before
    hook.unlink()
    rows = shop.pr("--stack")
    assert {row["action"] for row in rows} == {"opened"}
    assert len(github.open_ones) == len(rows) > 1


def test_every_forge_is_described() -> None:
    assert set(PREFIXES) == set(VARIABLES)
