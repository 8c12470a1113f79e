"""A release's page names who approved its commits, as far as git knows their keys."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.site_check import Page
from tests.support.team import Team


def approvals(team: Team, site: Path) -> list[list[str]]:
    """Make the site, and return the approvals of each commit of the release of prod/web, oldest first."""
    team.run("site", "--out", str(site))
    releases = json.loads((site / "releases.json").read_text(encoding="utf-8"))
    (found,) = [one for one in releases if (one["environment"], one["app"], one["id"]) == ("prod", "web", "2")]
    return [commit["approvals"] for commit in found["commits"]]


def test_a_page_names_the_people_whose_keys_git_knows(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    team, site = Team(tmp_path / "team/repo"), tmp_path / "site"
    team.release()
    assert approvals(team, site) == [[]]
    # No commit comes with these tags.
    for name in ("alice", "bob", "eve"):
        team.approve(name)
    assert approvals(team, site) == [["alice@example.com", "bob@example.com"]]
    page = " ".join(Page(site / "apps/prod/web/2.html").text.split())
    assert "Approved by alice@example.com, bob@example.com." in page
    assert "eve" not in page
