"""Pull requests of GitHub, by its REST API (version 2022-11-28)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from renderer.git.forges import Proposal, PullRequest, missing, plain_body
from renderer.git.forges.http import Client


class GitHub:
    """A repository on GitHub or GitHub Enterprise Server; ``path`` is ``owner/name``.

    The attributes are what forges that have taken this API over call otherwise.
    """

    has_labels = True
    page_size: ClassVar[Mapping[str, int]] = {"per_page": 100}
    teams = "requested_teams"
    team_name = "slug"

    def __init__(self, client: Client, path: str) -> None:
        """Take the API and the repository."""
        self.client = client
        self.path = path
        self.repository = f"/repos/{path}"

    def find(self, prefix: str) -> list[PullRequest]:
        """Return the open pull requests from branches of this repository whose names start with ``prefix``."""
        pages = self.client.pages(f"{self.repository}/pulls", state="open", **self.page_size)
        return [self._pull_request(item) for page in pages for item in page if self._is_ours(item, prefix)]

    def create(self, proposal: Proposal) -> PullRequest:
        """Open a pull request, with labels and reviewers."""
        body = {"title": proposal.title, "head": proposal.head, "base": proposal.base, "body": proposal.body}
        made = self._pull_request(self.client.send("POST", f"{self.repository}/pulls", body))
        self._label(made, proposal)
        self._ask(made, proposal)
        return made

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        """Bring ``current`` to ``proposal``; labels that a person gave it stay.

        Reviewers are asked once: who has reviewed is no longer among those who are asked, and is not asked again.
        """
        wanted = {"title": proposal.title, "body": proposal.body, "base": proposal.base}
        changed = {key: value for key, value in wanted.items() if getattr(current, key) != value}
        if changed:
            self.client.send("PATCH", f"{self.repository}/pulls/{current.number}", changed)
        self._label(current, proposal)

    def close(self, current: PullRequest, comment: str) -> None:
        """Say ``comment`` in ``current`` and close it without merging."""
        self.client.send("POST", f"{self.repository}/issues/{current.number}/comments", {"body": comment})
        self.client.send("PATCH", f"{self.repository}/pulls/{current.number}", {"state": "closed"})

    def _is_ours(self, item: dict[str, Any], prefix: str) -> bool:
        repository = item["head"].get("repo") or {}
        own = str(repository.get("full_name", "")).casefold() == self.path.casefold()
        return own and str(item["head"]["ref"]).startswith(prefix)

    def _label(self, current: PullRequest, proposal: Proposal) -> None:
        labels = missing(proposal.labels, current.labels)
        if labels:
            self.client.send(
                "POST", f"{self.repository}/issues/{current.number}/labels", {"labels": self._labels(labels)}
            )

    def _ask(self, current: PullRequest, proposal: Proposal) -> None:
        reviewers = missing(proposal.reviewers, current.reviewers)
        if reviewers:
            body = {
                "reviewers": [name for name in reviewers if "/" not in name],
                "team_reviewers": [name.partition("/")[2] for name in reviewers if "/" in name],
            }
            asked = {key: names for key, names in body.items() if names}
            self.client.send("POST", f"{self.repository}/pulls/{current.number}/requested_reviewers", asked)

    def _labels(self, names: Sequence[str]) -> Sequence[str | int]:
        """Return what the API takes for the labels of these names."""
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
