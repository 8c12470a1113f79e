"""Who has approved the pull request that brought a commit, as each forge tells it (shell).

An approval counts where it was given for the last commit of the pull request: nobody has seen what was pushed later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from renderer.git.forges import client_of
from renderer.git.forges.http import Client, NotFoundError
from renderer.git.forges.site import Site

_INSIDERS = ("OWNER", "MEMBER", "COLLABORATOR")
"""Who a reviewer has to be on GitHub, where everybody may review a public repository."""


class ForgeReviews:
    """The reviews of a repository on a forge."""

    def __init__(self, site: Site) -> None:
        """Take the repository; raises RollstepError where there is no token for the forge in the environment."""
        self._client, self._path, self._ask = client_of(site), site.path, _FORGES[site.type]

    def approvers(self, sha: str) -> tuple[str, ...]:
        """Return the logins (of Bitbucket: account ids) of those who have approved the commit, sorted.

        Raises RollstepError with what the forge said.
        """
        return tuple(sorted(set(self._ask(self._client, self._path, sha))))


def _github(client: Client, path: str, sha: str) -> Iterator[str]:
    for pull in client.get(f"/repos/{path}/commits/{sha}/pulls", per_page=100):
        head: str = pull["head"]["sha"]
        last: dict[str, Any] = {}
        for page in client.pages(f"/repos/{path}/pulls/{pull['number']}/reviews", per_page=100):
            # They come in the order in which they were given, and a comment takes nothing back.
            last.update((item["user"]["login"], item) for item in page if item["user"] and item["state"] != "COMMENTED")
        for login, item in last.items():
            approves = item["state"] == "APPROVED" and item["commit_id"] == head
            if approves and item["author_association"] in _INSIDERS:
                yield login


def _gitea(client: Client, path: str, sha: str) -> Iterator[str]:
    try:
        pull = client.get(f"/repos/{path}/commits/{sha}/pull")
    except NotFoundError:
        return
    last: dict[str, Any] = {}
    for page in client.pages(f"/repos/{path}/pulls/{pull['number']}/reviews", limit=50):
        last.update((item["user"]["login"], item) for item in page if item["user"] and item["state"] != "COMMENT")
    for login, item in last.items():
        if item["state"] == "APPROVED" and item["official"] and not (item["stale"] or item["dismissed"]):
            yield login


def _gitlab(client: Client, path: str, sha: str) -> Iterator[str]:
    project = f"/projects/{quote(path, safe='')}"
    for request in client.get(f"{project}/repository/commits/{sha}/merge_requests"):
        approvals = client.get(f"{project}/merge_requests/{request['iid']}/approvals")
        yield from (item["user"]["username"] for item in approvals["approved_by"])


def _bitbucket(client: Client, path: str, sha: str) -> Iterator[str]:
    try:
        pages = list(client.pages(f"/repositories/{path}/commit/{sha}/pullrequests"))
    except NotFoundError:
        return
    for page in pages:
        for item in page["values"]:
            pull = client.get(f"/repositories/{path}/pullrequests/{item['id']}")
            people = pull.get("participants") or []
            yield from (person["user"]["account_id"] for person in people if person["approved"])


_FORGES: Mapping[str, Callable[[Client, str, str], Iterator[str]]] = {
    "github": _github,
    "gitea": _gitea,
    "forgejo": _gitea,
    "gitlab": _gitlab,
    "bitbucket": _bitbucket,
}
