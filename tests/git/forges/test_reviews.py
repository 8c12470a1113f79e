"""Approvals of a commit in review, against a server on loopback that answers as each forge does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import NOON, TWO, Checkout

TOKEN = "secret-token"


def github_review(login: str, state: str, commit: str, association: str = "MEMBER") -> dict[str, Any]:
    return {"user": {"login": login}, "state": state, "commit_id": commit, "author_association": association}


def gitea_review(login: str, **changes: Any) -> dict[str, Any]:
    review = {"user": {"login": login}, "state": "APPROVED", "official": True, "stale": False, "dismissed": False}
    return {**review, **changes}


GITHUB = {
    "/api/v3/repos/shop/manifests/commits/SHA/pulls?per_page=100": [{"number": 7, "head": {"sha": "HEAD"}}],
    "/api/v3/repos/shop/manifests/pulls/7/reviews?per_page=100": [
        github_review("ann", "CHANGES_REQUESTED", "HEAD"),
        github_review("ann", "APPROVED", "HEAD"),
        github_review("ann", "COMMENTED", "HEAD"),
        github_review("bob", "APPROVED", "HEAD", "OWNER"),
        github_review("carl", "APPROVED", "older"),
        github_review("dora", "APPROVED", "HEAD"),
        github_review("dora", "DISMISSED", "HEAD"),
        github_review("eve", "APPROVED", "HEAD", "NONE"),
        {**github_review("gone", "APPROVED", "HEAD"), "user": None},
    ],
}
GITEA = {
    "/api/v1/repos/shop/manifests/commits/SHA/pull": {"number": 7},
    "/api/v1/repos/shop/manifests/pulls/7/reviews?limit=50": [
        gitea_review("ann", state="REQUEST_CHANGES"),
        gitea_review("ann"),
        gitea_review("ann", state="COMMENT"),
        gitea_review("bob"),
        gitea_review("carl", stale=True),
        gitea_review("dora", dismissed=True),
        gitea_review("eve", official=False),
    ],
}
GITLAB = {
    "/api/v4/projects/shop%2Fmanifests/repository/commits/SHA/merge_requests": [{"iid": 7}],
    "/api/v4/projects/shop%2Fmanifests/merge_requests/7/approvals": {
        "approved_by": [{"user": {"username": "ann"}}, {"user": {"username": "bob"}}]
    },
}
BITBUCKET = {
    "/2.0/repositories/shop/manifests/commit/SHA/pullrequests": {"values": [{"id": 7}]},
    "/2.0/repositories/shop/manifests/pullrequests/7": {
        "participants": [
            {"user": {"account_id": "ann"}, "approved": True},
            {"user": {"account_id": "bob"}, "approved": True},
            {"user": {"account_id": "carl"}, "approved": False},
        ]
    },
}
FORGES: dict[str, tuple[dict[str, Any], str]] = {
    "github": (GITHUB, "GITHUB_TOKEN"),
    "gitea": (GITEA, "GITEA_TOKEN"),
    "forgejo": (GITEA, "FORGEJO_TOKEN"),
    "gitlab": (GITLAB, "GITLAB_TOKEN"),
    "bitbucket": (BITBUCKET, "BITBUCKET_TOKEN"),
}


@contextmanager
def serving(answers: Mapping[str, Any], sha: str) -> Iterator[str]:
    """Answer as ``answers`` say, with a commit's hash put into them, and 404 for all else; yield the address."""
    known = {path.replace("SHA", sha): json.dumps(answer).replace("HEAD", sha) for path, answer in answers.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = known.get(self.path) if TOKEN in str(self.headers) else None
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "{}").encode())

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("reviewed") / "repo")
    checkout.edit("rollstep.yaml", "environments:\n", "environments:\n  prod: {approvals: 2}\n")
    checkout.run("advance", "prod/web", "--include-sources", "--no-validate", "--now", NOON)
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)
    return checkout


def test_the_token_goes_to_no_forge_that_a_commit_names(
    template: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = template.copy(tmp_path / "repo")
    answers, variable = FORGES["github"]
    with serving(answers, checkout.head) as url:
        checkout.git("remote", "add", "origin", "http://127.0.0.1:9/shop/manifests.git")
        settings = (checkout.root / "rollstep.yaml").read_text(encoding="utf-8")
        (checkout.root / "rollstep.yaml").write_text(f"{settings}forge: {{type: github, url: '{url}'}}\n", "utf-8")
        checkout.commit("Forge")
        monkeypatch.setenv(variable, TOKEN)
        for revisions in (["HEAD~2.."], ["HEAD~2..", "HEAD"], []):
            told = checkout.run("verify", *revisions, "--reviews", "forge", code=1)
            assert "does not tell which forge it is" in told.stderr, "the remote alone decides"


@pytest.mark.parametrize("forge", list(FORGES))
def test_those_count_who_have_approved_what_was_merged(
    template: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forge: str
) -> None:
    checkout = template.copy(tmp_path / "repo")
    answers, variable = FORGES[forge]
    with serving(answers, checkout.head) as url:
        checkout.git("config", "rollstep.forgeType", forge)
        checkout.git("config", "rollstep.forgeUrl", url)
        checkout.git("remote", "add", "origin", f"{url}/shop/manifests.git")
        arguments = ("verify", "HEAD~1..", "--reviews", "forge")
        assert "there is no token for" in checkout.run(*arguments, code=1).stderr
        monkeypatch.setenv(variable, TOKEN)
        assert "0 of 2 approvals" in checkout.run("verify", "HEAD~1..", code=1).stdout
        checkout.run(*arguments)
    without: dict[str, Any] = {path: [] if isinstance(answer, list) else {} for path, answer in answers.items()}
    empty = without if forge in ("github", "gitlab") else {}
    with serving(empty, checkout.head) as url:
        checkout.git("config", "rollstep.forgeUrl", url)
        checkout.git("remote", "set-url", "origin", f"{url}/shop/manifests.git")
        assert "0 of 2 approvals" in checkout.run(*arguments, code=1).stdout
