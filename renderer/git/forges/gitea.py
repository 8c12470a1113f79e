"""Pull requests of Gitea and Forgejo, by their REST API (v1): GitHub's API with a few other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from msgspec.structs import replace

from renderer.git.forges.forge import ForgeType
from renderer.git.forges.github import GitHub
from renderer.git.forges.http import NotFoundError

_COLOR = "#ededed"


class Gitea(GitHub):
    """A repository on Gitea or Forgejo; ``path`` is ``owner/name``."""

    # The largest page of an instance with default settings.
    page_size: ClassVar[Mapping[str, int]] = {"limit": 50}
    teams = "requested_reviewers_teams"
    team_name = "name"

    def approvers(self, sha: str) -> Sequence[str]:
        try:
            pull = self.client.get(f"{self.repository}/commits/{sha}/pull")
        except NotFoundError:
            return []
        reviews = self._last_reviews(pull, comment="COMMENT")
        return sorted(login for login, review in reviews.items() if _approves(review))

    def _labels(self, names: Sequence[str]) -> Sequence[str | int]:
        """Return the ids of the labels ``names``, and create the missing ones."""
        return [self._label_id(name) for name in names]

    def _label_id(self, name: str) -> int:
        for page in self.client.pages(f"{self.repository}/labels", **self.page_size):
            for label in page:
                if label["name"].casefold() == name.casefold():
                    return int(label["id"])
        created = self.client.send("POST", f"{self.repository}/labels", {"name": name, "color": _COLOR})
        return int(created["id"])


def _approves(review: Mapping[str, object]) -> bool:
    return review["state"] == "APPROVED" and bool(review["official"]) and not (review["stale"] or review["dismissed"])


GITEA = ForgeType(
    "Gitea",
    "",
    ("GITEA_TOKEN",),
    api=lambda url: f"{url}/api/v1",
    headers=lambda token: {"Accept": "application/json", "Authorization": f"token {token}"},
    open=Gitea,
)
FORGEJO = replace(GITEA, title="Forgejo", host="codeberg.org", token_variables=("FORGEJO_TOKEN", "GITEA_TOKEN"))
