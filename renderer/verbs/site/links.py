"""Addresses of commits and pull requests on the forge, and the paths of the site's pages."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from msgspec import Struct

from renderer.errors import RollstepError
from renderer.git.forges.settings import ForgeSettings
from renderer.git.repository import Repository

_PLACES = {
    "github": ("commit", "pull"),
    "gitlab": ("-/commit", "-/merge_requests"),
    "gitea": ("commit", "pulls"),
    "forgejo": ("commit", "pulls"),
    "bitbucket": ("commits", "pull-requests"),
}
"""The paths of a commit and of a pull request below a repository, by forge."""
_NUMBERS = (
    re.compile(r"^Merge pull request (?:'.*' \()?#(\d{1,9})\b"),
    re.compile(r"\(pull request #(\d{1,9})\)"),
    re.compile(r"\([#!](\d{1,9})\)$"),
    re.compile(r"^See merge request \S*!(\d{1,9})$", re.MULTILINE),
)
"""The number of a pull request in the messages that GitHub, Gitea, Bitbucket and GitLab write."""


class Links(Struct, frozen=True):
    """The addresses of a forge; empty for an unknown one."""

    commits: str = ""
    pulls: str = ""

    def commit(self, sha: str) -> str | None:
        """Return the address of a commit."""
        return f"{self.commits}/{sha}" if self.commits else None

    def pull(self, number: int) -> str | None:
        """Return the address of a pull request."""
        return f"{self.pulls}/{number}" if self.pulls else None


def forge_links(repository: Repository, forge: ForgeSettings) -> Links:
    """Return the addresses on the forge of the settings, or of the remote's URL; no request is made."""
    # The forges are slow to import.
    from renderer.git.forges.site import FORGES, find_site

    try:
        site = find_site(repository, forge)
    except RollstepError:
        return Links()
    name = next(name for name, found in FORGES.items() if found is site.type)
    base = f"{site.url}/{quote(site.path.strip('/'), safe='/')}"
    if not base.startswith(("https://", "http://")):
        return Links()
    commits, pulls = _PLACES[name]
    return Links(f"{base}/{commits}", f"{base}/{pulls}")


def pull_number(subject: str, body: str) -> int | None:
    """Return the number of the pull request that a commit's message names as the one that brought it."""
    found = (pattern.search(text) for pattern in _NUMBERS for text in (subject, body))
    return next((int(match[1]) for match in found if match), None)


def app_page(environment: str, app: str) -> str:
    """Return the path of an app's page."""
    return f"apps/{environment}/{app}/index.html"


def release_page(environment: str, app: str, release: str) -> str:
    """Return the path of a release's page."""
    return f"apps/{environment}/{app}/{release}.html"


def environment_page(environment: str, number: int = 1) -> str:
    """Return the path of one of an environment's pages, from 1."""
    return f"environments/{environment}/{'index' if number == 1 else number}.html"


def feed(environment: str) -> str:
    """Return the path of an environment's feed."""
    return f"environments/{environment}/feed.xml"


def index_page(number: int = 1) -> str:
    """Return the path of one of the pages of all apps, from 1."""
    return "index.html" if number == 1 else f"apps-{number}.html"


def address(page: str, target: str) -> str:
    """Return the relative address of the site's file ``target`` in a link on ``page``."""
    up = len(PurePosixPath(page).parts) - 1
    return "../" * up + quote(target, safe="/")
