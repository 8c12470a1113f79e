"""Pull requests of Gitea and Forgejo, by their REST API (v1), which is GitHub's but for a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from renderer.git.forges.github import GitHub

_COLOR = "#ededed"


class Gitea(GitHub):
    """A repository on Gitea or Forgejo; ``path`` is ``owner/name``."""

    # As many as an instance gives at a time unless its settings say otherwise.
    page_size: ClassVar[Mapping[str, int]] = {"limit": 50}
    teams = "requested_reviewers_teams"
    team_name = "name"

    def _labels(self, names: Sequence[str]) -> Sequence[str | int]:
        """Return the numbers of the labels, which are made where there are none of these names."""
        return [self._label_id(name) for name in names]

    def _label_id(self, name: str) -> int:
        for page in self.client.pages(f"{self.repository}/labels", **self.page_size):
            for label in page:
                if label["name"].casefold() == name.casefold():
                    return int(label["id"])
        made = self.client.send("POST", f"{self.repository}/labels", {"name": name, "color": _COLOR})
        return int(made["id"])
