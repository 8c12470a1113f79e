"""``plan`` for apps: load each and plan its release, or the next one where none is in progress (shell)."""

from __future__ import annotations

from datetime import datetime

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.moves import advance
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.write.output_folder import plan_changes
from renderer.verbs.apps.open import open_releases
from renderer.verbs.show.plan import Plan, after_update, plan_world


def plan_releases(
    workspace: Workspace, targets: tuple[str, ...], now: datetime | None
) -> tuple[list[Release], list[tuple[AppRef, Plan]]]:
    """Return each named app as it stands, and its plan; raise RollstepError with the findings of all."""
    releases = open_releases(workspace, targets, now or current_time())
    return releases, [(release.app.ref, _plan(release)) for release in releases]


def _plan(release: Release) -> Plan:
    """Return the plan of a release, with the commit before all others that other manifests of the app ask for."""
    world = release.world
    plan = plan_world(world)
    # What moves takes them along.
    if release.state is None or advance(world) is not None:
        return plan
    changes = plan_changes(release.home, render_release(release, world, keep_time=True).files)
    return after_update(plan, world) if changes else plan
