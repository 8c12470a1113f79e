"""Pull requests on a real forge: opened, updated, stacked, merged, and closed by an abort, on Gitea."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gitea.server import Gitea
from tests.e2e.processes import wait_for
from tests.support.commands import NOON, TWO, Checkout

SETTINGS = """\
defaults:
  namespace: shop-${environment}
  order: step
  commit:
    author: {name: rollstep, email: rollstep@example.com}
  pullRequest: {labels: [release], reviewers: [reviewer]}
environments:
  dev:
    values: {replicas: 2, tag: "1.0.0"}
  prod:
    commit: {environmentBranch: env/prod}
"""


@pytest.fixture(scope="module")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea")) as server:
        yield server


class Shop(Checkout):
    """A checkout whose remote is a repository of its own on Gitea, with a release of prod/web under way."""

    def __init__(self, root: Path, gitea: Gitea, name: str, extra: str = "") -> None:
        super().__init__(root)
        self.gitea, self.path = gitea, f"/repos/bot/{name}"
        gitea.api("POST", "/user/repos", {"name": name, "default_branch": "main"})
        gitea.api("PUT", f"{self.path}/collaborators/reviewer", {"permission": "write"})
        settings = f"{SETTINGS}{extra}forge: {{type: gitea, url: '{gitea.url}'}}\n"
        (root / "rollstep.yaml").write_text(settings, encoding="utf-8")
        self.git("remote", "add", "origin", f"{gitea.url}/bot/{name}.git")
        self.commit("Name the forge")
        self.process("advance", "prod/web", "--now", NOON, "--no-validate")
        self.rollstep("set", "image", "prod/web", f"web={TWO}", "--push")

    def rollstep(self, *arguments: str, code: int = 0) -> Any:
        """Run the command in a process of its own with the token; return its JSON."""
        words = [*arguments, "--no-validate", "-o", "json"]
        done = self.process(*words, code=code, GITEA_TOKEN=self.gitea.tokens["bot"])
        assert self.gitea.tokens["bot"] not in done.stdout + done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    def open_ones(self) -> list[Any]:
        found = self.gitea.api("GET", f"{self.path}/pulls?state=open&limit=50")
        return sorted(found, key=lambda item: item["number"])

    def merge(self, number: int, how: str = "merge") -> None:
        self.wait_for_check(number)
        self.gitea.api("POST", f"{self.path}/pulls/{number}/merge", {"Do": how, "delete_branch_after_merge": True})

    def wait_for_check(self, number: int) -> None:
        """Wait until Gitea has found out, beside its answers, that a pull request can be merged."""
        for _ in range(100):
            if self.gitea.api("GET", f"{self.path}/pulls/{number}")["mergeable"]:
                return
            time.sleep(0.1)
        raise AssertionError(f"#{number} cannot be merged")

    def pull(self) -> None:
        self.git("-c", f"http.extraHeader=Authorization: token {self.gitea.tokens['bot']}", "pull", "--quiet")


@pytest.fixture
def shop(tmp_path: Path, gitea: Gitea, request: pytest.FixtureRequest) -> Shop:
    made = Shop(tmp_path, gitea, re.sub(r"[^a-z]+", "-", str(request.node.name))[-60:].strip("-"))
    made.git("branch", "--set-upstream-to=origin/main", "main")
    return made


def test_a_step_is_proposed_once_and_merging_it_is_the_promotion(shop: Shop) -> None:
    (first,) = shop.rollstep("pr", "prod/web")
    told = first["pullRequest"]
    assert told["action"] == "opened"
    (found,) = shop.open_ones()
    assert (found["number"], found["head"]["ref"], found["base"]["ref"]) == (told["number"], told["head"], "main")
    assert found["title"] == told["title"]
    assert [label["name"] for label in found["labels"]] == ["release"]
    assert [user["login"] for user in found["requested_reviewers"]] == ["reviewer"]
    assert "| STEP" in found["body"]
    assert "web-canary" in found["body"]

    (second,) = shop.rollstep("pr", "prod/web")
    assert second["pullRequest"]["action"] == "unchanged"
    assert second["pullRequest"]["commit"] == told["commit"]
    assert [item["number"] for item in shop.open_ones()] == [told["number"]]

    before = json.loads(shop.process("status", "prod/web", "-o", "json").stdout)
    shop.merge(told["number"])
    shop.pull()
    after = json.loads(shop.process("status", "prod/web", "-o", "json").stdout)
    assert before != after
    shop.rollstep("advance", "prod/web", "--push")
    rendered = shop.git("rev-parse", "env/prod:web/rendered")
    assert rendered == shop.git("rev-parse", "HEAD:environments/prod/web/rendered")
    branches = {item["name"] for item in shop.gitea.api("GET", f"{shop.path}/branches")}
    assert "env/prod" in branches
    (third,) = shop.rollstep("pr", "prod/web")
    assert third["pullRequest"]["action"] == "opened"
    assert third["pullRequest"]["head"] != told["head"]


def test_an_open_one_is_updated_when_its_sources_change(shop: Shop) -> None:
    (first,) = shop.rollstep("pr", "prod/web")
    shop.edit("environments/prod/web/rollout.yaml", "replicas: 5", "replicas: 10")
    shop.commit("Scale web")
    shop.rollstep("advance", "prod/web", "--push")
    (second,) = shop.rollstep("pr", "prod/web")
    assert second["pullRequest"]["action"] == "updated"
    assert second["pullRequest"]["number"] == first["pullRequest"]["number"]
    (found,) = shop.open_ones()
    assert found["body"] != first["pullRequest"]["body"]
    shop.wait_for_check(found["number"])


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_stack_is_merged_from_the_top_whatever_the_way(shop: Shop, how: str) -> None:
    stack = [entry["pullRequest"] for entry in shop.rollstep("pr", "prod/web", "--stack")]
    assert len(stack) > 2
    assert [entry["base"] for entry in stack] == ["main", *(entry["head"] for entry in stack[:-1])]
    assert [item["number"] for item in shop.open_ones()] == [entry["number"] for entry in stack]
    left = [entry["number"] for entry in stack]
    for expected in stack:
        (first, *_) = shop.open_ones()
        assert first["number"] == expected["number"]
        shop.merge(first["number"], how)
        shop.pull()
        rows = [entry["pullRequest"] for entry in shop.rollstep("pr", "prod/web", "--stack")]
        left.remove(first["number"])
        # When all are merged, the old pods' delay may be over: their removal is a step of its own.
        known = [row for row in rows if row["number"] in left]
        assert [item["number"] for item in shop.open_ones()][: len(left)] == left
        assert {row["action"] for row in known} <= {"updated", "unchanged"}
        assert known == rows or not left
        if how == "merge":
            assert [row["commit"] for row in known] == [entry["commit"] for entry in stack[len(stack) - len(known) :]]
    assert shop.weight("prod/web") == "0"
    stable = json.loads(shop.process("get", "prod/web", "-o", "json").stdout)
    assert TWO in json.dumps(stable)


def test_an_abort_closes_what_is_left(shop: Shop) -> None:
    stack = shop.rollstep("pr", "prod/web", "--stack")
    shop.rollstep("abort", "prod/web", "--push")
    assert shop.open_ones() == []
    numbers = [entry["pullRequest"]["number"] for entry in stack]
    for number in numbers:
        found = shop.gitea.api("GET", f"{shop.path}/pulls/{number}")
        assert (found["state"], found["merged"]) == ("closed", False)
        comments = shop.gitea.api("GET", f"{shop.path}/issues/{number}/comments")
        assert [comment["body"] for comment in comments] == ["The release has been aborted."]
    branches = {item["name"] for item in shop.gitea.api("GET", f"{shop.path}/branches")}
    assert not [name for name in branches if name.startswith("rollstep/")]


def test_pr_close_closes_them_without_an_abort(shop: Shop) -> None:
    stack = shop.rollstep("pr", "prod/web", "--stack")
    head = shop.head
    closed = shop.rollstep("pr", "prod/web", "--close")
    assert {entry["pullRequest"]["number"] for entry in closed} == {entry["pullRequest"]["number"] for entry in stack}
    assert shop.open_ones() == []
    assert shop.head == head


def test_a_new_version_overtakes_the_old_ones(shop: Shop) -> None:
    (first,) = shop.rollstep("pr", "prod/web")
    three = TWO.replace("2.0.0", "3.0.0")
    shop.rollstep("set", "image", "prod/web", f"web={three}", "--push")
    rows = [entry["pullRequest"] for entry in shop.rollstep("pr", "prod/web")]
    assert [row["action"] for row in rows] == ["opened", "closed"]
    assert rows[1]["number"] == first["pullRequest"]["number"]
    assert [item["number"] for item in shop.open_ones()] == [rows[0]["number"]]


def test_an_environment_whose_commits_go_by_pull_request(shop: Shop) -> None:
    shop.edit("rollstep.yaml", "environmentBranch: env/prod", "environmentBranch: env/prod, to: pull-request")
    shop.commit("Review prod")
    shop.git("-c", f"http.extraHeader=Authorization: token {shop.gitea.tokens['bot']}", "push", "--quiet")
    head = shop.head
    (opened,) = shop.rollstep("advance", "prod/web", "--push")
    assert opened["pullRequest"]["action"] == "opened"
    assert shop.head == head
    (again,) = shop.rollstep("promote", "prod/web", "--push")
    assert again["pullRequest"]["action"] == "unchanged"
    rows = [entry["pullRequest"] for entry in shop.rollstep("abort", "prod/web")]
    assert [row["action"] for row in rows] == ["opened", "closed"]
    assert rows[0]["head"] == "rollstep/prod/web/abort"
    assert shop.head == head
    shop.merge(rows[0]["number"])
    shop.pull()
    assert "Degraded" in shop.process("status", "prod/web", code=1).stdout


def test_a_protected_branch_refuses_the_push_and_the_commit_stays_here(shop: Shop) -> None:
    rule = {"rule_name": "main", "enable_push": False}
    shop.gitea.api("POST", f"{shop.path}/branch_protections", rule)
    # Gitea looks at a push after it has taken it, and answers nothing about an empty repository's branches.
    wait_for("Gitea has seen the first push", lambda: not shop.gitea.api("GET", shop.path)["empty"])
    there = shop.gitea.api("GET", f"{shop.path}/branches/main")["commit"]["id"]
    said = shop.rollstep("promote", "prod/web", "--push", code=1)
    assert "refused the push" in said
    assert shop.gitea.api("GET", f"{shop.path}/branches/main")["commit"]["id"] == there
    assert shop.subjects[0].startswith("web (prod): promote")


def test_a_wrong_token_is_told_with_what_to_do(shop: Shop) -> None:
    wrong = "0123456789abcdef0123456789abcdef01234567"
    before = shop.git("ls-remote", "origin")
    done = shop.process("pr", "prod/web", "--no-validate", code=1, GITEA_TOKEN=wrong)
    assert wrong not in done.stdout + done.stderr
    assert "error:" in done.stderr
    assert shop.git("ls-remote", "origin") == before
    assert shop.open_ones() == []


def test_the_body_on_the_forges_own_renderer(gitea: Gitea, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", gitea, "pictures")
    (row,) = shop.rollstep("pr", "prod/web")
    page = gitea.markdown(row["pullRequest"]["body"])
    assert page.count("language-mermaid") == 1
    assert page.count("<details>") == page.count("</details>") == 2
    assert "<td>setWeight: 40</td>" in page
    assert "<code>rollstep abort prod/web</code>" in page
    assert "```" not in page
