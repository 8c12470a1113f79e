"""Merge requests of GitLab, by its REST API (v4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from renderer.errors import Finding, RollstepError
from renderer.git.forges.forge import ForgeType, Proposal, PullRequest, missing, plain_body
from renderer.git.forges.http import Client


class GitLab:
    """A project on GitLab; ``path`` is ``group/…/name``."""

    has_labels = True

    def __init__(self, client: Client, path: str) -> None:
        self.client = client
        self.project = f"/projects/{quote(path, safe='')}"
        self.requests = f"{self.project}/merge_requests"

    def find(self, prefix: str) -> list[PullRequest]:
        pages = self.client.pages(self.requests, state="opened", per_page=100)
        return [_pull_request(item) for page in pages for item in page if _is_ours(item, prefix)]

    def create(self, proposal: Proposal) -> PullRequest:
        body = {
            "source_branch": proposal.head,
            "target_branch": proposal.base,
            "title": proposal.title,
            "description": proposal.body,
            "remove_source_branch": True,
        }
        if proposal.labels:
            body["labels"] = list(proposal.labels)
        if proposal.reviewers:
            body["reviewer_ids"] = self._ids(proposal.reviewers)
        return _pull_request(self.client.send("POST", self.requests, body))

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        names = {"title": "title", "body": "description", "base": "target_branch"}
        wanted = {field: getattr(proposal, field) for field in names}
        body = {names[field]: value for field, value in wanted.items() if getattr(current, field) != value}
        if labels := missing(proposal.labels, current.labels):
            body["add_labels"] = labels
        if reviewers := missing(proposal.reviewers, current.reviewers):
            # The new list replaces the old one.
            body["reviewer_ids"] = self._ids((*current.reviewers, *reviewers))
        if body:
            self.client.send("PUT", f"{self.requests}/{current.number}", body)

    def close(self, current: PullRequest, comment: str) -> None:
        self.client.send("POST", f"{self.requests}/{current.number}/notes", {"body": comment})
        self.client.send("PUT", f"{self.requests}/{current.number}", {"state_event": "close"})

    def approvers(self, sha: str) -> Sequence[str]:
        requests = self.client.get(f"{self.project}/repository/commits/{sha}/merge_requests")
        approvals = [self.client.get(f"{self.requests}/{request['iid']}/approvals") for request in requests]
        return sorted({item["user"]["username"] for approval in approvals for item in approval["approved_by"]})

    def _ids(self, logins: tuple[str, ...]) -> list[int]:
        found, findings = [], []
        for login in logins:
            users = self.client.get("/users", username=login)
            if users:
                found.append(users[0]["id"])
            else:
                hint = "see pullRequest.reviewers in rollstep.yaml"
                findings.append(Finding("", 0, 0, "", f"{self.client.title} has no user {login}", hint))
        if findings:
            raise RollstepError(findings)
        return found


def _is_ours(item: dict[str, Any], prefix: str) -> bool:
    return item["source_project_id"] == item["target_project_id"] and str(item["source_branch"]).startswith(prefix)


def _pull_request(item: dict[str, Any]) -> PullRequest:
    return PullRequest(
        number=item["iid"],
        url=item["web_url"],
        head=item["source_branch"],
        base=item["target_branch"],
        title=item["title"],
        body=plain_body(item.get("description")),
        labels=tuple(item.get("labels") or ()),
        reviewers=tuple(user["username"] for user in item.get("reviewers") or ()),
    )


GITLAB = ForgeType(
    "GitLab",
    "gitlab.com",
    ("GITLAB_TOKEN",),
    api=lambda url: f"{url}/api/v4",
    headers=lambda token: {"Accept": "application/json", "PRIVATE-TOKEN": token},
    open=GitLab,
    git_user="oauth2",
)
