"""Opens the apps that a verb names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from renderer.errors import Finding, map_all, map_valid
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.rendered_world import rendered_world
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.apps.shards import Shard, in_shard


def open_releases(
    workspace: Workspace, targets: Sequence[str], now: datetime
) -> tuple[list[Release], tuple[Finding, ...]]:
    """Return the release of every app that ``targets`` name, and the findings of those that cannot be opened."""
    refs = progress.over(workspace.apps(targets), "reading app")
    return map_valid(refs, lambda ref: open_release(workspace, ref, now))


def rendered_worlds(
    workspace: Workspace,
    targets: Sequence[str],
    step: int | None,
    now: datetime | None,
    shard: Shard | None = None,
    option: str = "--step",
) -> list[tuple[Release, World]]:
    """Return each named release with the world to render; raise RollstepError with the findings of all of them.

    ``option`` is the one that names ``step``.
    """
    refs = progress.over(in_shard(workspace.apps(targets), shard), "reading app")
    return map_all(refs, lambda ref: rendered_world(workspace, ref, now, step, option=option))
