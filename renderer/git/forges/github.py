"""Pull requests of GitHub, by its REST API (version 2022-11-28)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from renderer.git.forges.forge import ForgeType, Proposal, PullRequest, missing, plain_body
from renderer.git.forges.http import Client

_INSIDERS = ("OWNER", "MEMBER", "COLLABORATOR")
"""The associations whose approval counts on GitHub, where everybody may review a public repository."""


class GitHub:
    """A repository on GitHub or GitHub Enterprise Server; ``path`` is ``owner/name``.

    The class variables are the names that forges with a copy of this API change.
    """

    has_labels = True
    page_size: ClassVar[Mapping[str, int]] = {"per_page": 100}
    teams = "requested_teams"
    team_name = "slug"

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self.path = path
        self.repository = f"/repos/{path}"

    def find(self, prefix: str) -> list[PullRequest]:
        pages = self.client.pages(f"{self.repository}/pulls", state="open", **self.page_size)
        return [self._pull_request(item) for page in pages for item in page if self._is_ours(item, prefix)]

    def create(self, proposal: Proposal) -> PullRequest:
        body = {"title": proposal.title, "head": proposal.head, "base": proposal.base, "body": proposal.body}
        created = self._pull_request(self.client.send("POST", f"{self.repository}/pulls", body))
        self._label(created, proposal)
        self._request_reviews(created, proposal)
        return created

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        # ``create`` alone requests reviews: a review ends its request, and a new one would ask the person again.
        wanted = {"title": proposal.title, "body": proposal.body, "base": proposal.base}
        changed = {key: value for key, value in wanted.items() if getattr(current, key) != value}
        if changed:
            self.client.send("PATCH", f"{self.repository}/pulls/{current.number}", changed)
        self._label(current, proposal)

    def close(self, current: PullRequest, comment: str) -> None:
        self.client.send("POST", f"{self.repository}/issues/{current.number}/comments", {"body": comment})
        self.client.send("PATCH", f"{self.repository}/pulls/{current.number}", {"state": "closed"})

    def approvers(self, sha: str) -> Sequence[str]:
        pulls = self.client.get(f"{self.repository}/commits/{sha}/pulls", per_page=100)
        return sorted({login for pull in pulls for login in self._approvers(pull)})

    def _approvers(self, pull: dict[str, Any]) -> Iterator[str]:
        for login, review in self._last_reviews(pull, comment="COMMENTED").items():
            approves = review["state"] == "APPROVED" and review["commit_id"] == pull["head"]["sha"]
            if approves and review["author_association"] in _INSIDERS:
                yield login

    def _last_reviews(self, pull: dict[str, Any], *, comment: str) -> dict[str, dict[str, Any]]:
        """Return the newest review of each login; the state ``comment`` takes no earlier review back."""
        last: dict[str, dict[str, Any]] = {}
        # The API lists reviews from the oldest to the newest.
        for page in self.client.pages(f"{self.repository}/pulls/{pull['number']}/reviews", **self.page_size):
            last.update((item["user"]["login"], item) for item in page if item["user"] and item["state"] != comment)
        return last

    def _is_ours(self, item: dict[str, Any], prefix: str) -> bool:
        repository = item["head"].get("repo") or {}
        own = str(repository.get("full_name", "")).casefold() == self.path.casefold()
        return own and str(item["head"]["ref"]).startswith(prefix)

    def _label(self, current: PullRequest, proposal: Proposal) -> None:
        if labels := missing(proposal.labels, current.labels):
            body = {"labels": self._labels(labels)}
            self.client.send("POST", f"{self.repository}/issues/{current.number}/labels", body)

    def _request_reviews(self, current: PullRequest, proposal: Proposal) -> None:
        if reviewers := missing(proposal.reviewers, current.reviewers):
            users = [name for name in reviewers if "/" not in name]
            teams = [name.partition("/")[2] for name in reviewers if "/" in name]
            requested = {key: names for key, names in (("reviewers", users), ("team_reviewers", teams)) if names}
            self.client.send("POST", f"{self.repository}/pulls/{current.number}/requested_reviewers", requested)

    def _labels(self, names: Sequence[str]) -> Sequence[str | int]:
        return names

    def _pull_request(self, item: dict[str, Any]) -> PullRequest:
        owner = item["base"]["repo"]["full_name"].partition("/")[0]
        users = [user["login"] for user in item.get("requested_reviewers") or []]
        teams = [f"{owner}/{team[self.team_name]}" for team in item.get(self.teams) or []]
        return PullRequest(
            number=item["number"],
            url=item["html_url"],
            head=item["head"]["ref"],
            base=item["base"]["ref"],
            title=item["title"],
            body=plain_body(item.get("body")),
            labels=tuple(label["name"] for label in item.get("labels") or []),
            reviewers=(*users, *teams),
        )


GITHUB = ForgeType(
    "GitHub",
    "github.com",
    ("GITHUB_TOKEN", "GH_TOKEN"),
    api=lambda url: "https://api.github.com" if url.partition("://")[2] == "github.com" else f"{url}/api/v3",
    headers=lambda token: {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    },
    open=GitHub,
    git_user="x-access-token",
)
