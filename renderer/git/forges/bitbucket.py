"""Pull requests of Bitbucket Cloud, by its REST API (2.0); it has no labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renderer.git.forges.forge import ForgeType, MarkdownDialect, Proposal, PullRequest, missing, plain_body
from renderer.git.forges.http import Client, NotFoundError


class Bitbucket:
    """A repository on Bitbucket Cloud; ``path`` is ``workspace/name``."""

    has_labels = False

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self.path = path
        self.requests = f"/repositories/{path}/pullrequests"

    def find(self, prefix: str) -> list[PullRequest]:
        pages = self.client.pages(self.requests, state="OPEN", pagelen=50)
        return [_pull_request(item) for page in pages for item in page["values"] if self._is_ours(item, prefix)]

    def create(self, proposal: Proposal) -> PullRequest:
        return _pull_request(self.client.send("POST", self.requests, _body(proposal, proposal.reviewers)))

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        # Reviewers that a person added stay.
        same = (current.title, current.body, current.base) == (proposal.title, proposal.body, proposal.base)
        if same and not proposal.reviewers:
            return
        # A list of pull requests has no reviewers, and the new list of reviewers replaces the old one.
        known = self.client.get(f"{self.requests}/{current.number}").get("reviewers") or []
        present = [name for user in known for name in (user.get("uuid"), user.get("account_id")) if name]
        new = missing(proposal.reviewers, present)
        if new or not same:
            uuids = [user["uuid"] for user in known]
            self.client.send("PUT", f"{self.requests}/{current.number}", _body(proposal, (*uuids, *new)))

    def close(self, current: PullRequest, comment: str) -> None:
        self.client.send("POST", f"{self.requests}/{current.number}/comments", {"content": {"raw": comment}})
        self.client.send("POST", f"{self.requests}/{current.number}/decline")

    def approvers(self, sha: str) -> Sequence[str]:
        found = set()
        try:
            pages = list(self.client.pages(f"/repositories/{self.path}/commit/{sha}/pullrequests"))
        except NotFoundError:
            return []
        for item in (item for page in pages for item in page["values"]):
            people = self.client.get(f"{self.requests}/{item['id']}").get("participants") or []
            found |= {person["user"]["account_id"] for person in people if person["approved"]}
        return sorted(found)

    def _is_ours(self, item: dict[str, Any], prefix: str) -> bool:
        repository = item["source"].get("repository") or {}
        own = str(repository.get("full_name", "")).casefold() == self.path.casefold()
        return own and str(item["source"]["branch"]["name"]).startswith(prefix)


def _body(proposal: Proposal, reviewers: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {
        "type": "pullrequest",
        "title": proposal.title,
        "description": proposal.body,
        "source": {"branch": {"name": proposal.head}},
        "destination": {"branch": {"name": proposal.base}},
        "reviewers": [{"uuid" if name.startswith("{") else "account_id": name} for name in reviewers],
        "close_source_branch": True,
    }


def _pull_request(item: dict[str, Any]) -> PullRequest:
    return PullRequest(
        number=item["id"],
        url=item["links"]["html"]["href"],
        head=item["source"]["branch"]["name"],
        base=item["destination"]["branch"]["name"],
        title=item["title"],
        body=plain_body(item.get("description") or (item.get("summary") or {}).get("raw")),
    )


BITBUCKET = ForgeType(
    "Bitbucket",
    "bitbucket.org",
    ("BITBUCKET_TOKEN",),
    api=lambda url: "https://api.bitbucket.org/2.0" if url.partition("://")[2] == "bitbucket.org" else f"{url}/2.0",
    headers=lambda token: {"Accept": "application/json", "Authorization": f"Bearer {token}"},
    open=Bitbucket,
    git_user="x-token-auth",
    markdown=MarkdownDialect(mermaid=False, details=False, most_characters=32_768),
)
