"""``plan`` for apps: load each and plan its release, or the next one where none is in progress (shell)."""

from __future__ import annotations

from datetime import datetime

from renderer.discover import AppRef
from renderer.plan import Plan, plan_world
from renderer.workspace import Workspace, current_time, open_releases


def plan_releases(directory: str, targets: tuple[str, ...], now: datetime | None) -> list[tuple[AppRef, Plan]]:
    """Return the plan of each named app; raise RollstepError with the findings of all."""
    releases = open_releases(Workspace.open(directory), targets, now or current_time())
    return [(release.app.ref, plan_world(release.world)) for release in releases]
