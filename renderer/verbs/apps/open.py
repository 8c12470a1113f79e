"""TODO."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from renderer.errors import map_all
from renderer.pipeline.commit.recovery import note_interrupted
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.current_step import current_release
from renderer.pipeline.resolve.release import Release, open_release
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.apps.shards import Shard, shared


def open_releases(workspace: Workspace, targets: Sequence[str], now: datetime) -> list[Release]:
    """Open every app that ``targets`` name; raise RollstepError with the findings of all of them."""
    note_interrupted(workspace.root)
    return map_all(progress.over(workspace.apps(targets), "reading app"), lambda ref: open_release(workspace, ref, now))


def rendered_worlds(
    workspace: Workspace,
    targets: Sequence[str],
    step: int | None,
    now: datetime | None,
    shard: Shard | None = None,
) -> list[tuple[Release, World]]:
    """Return each named release with the world that is to be rendered; raise RollstepError with all findings."""
    note_interrupted(workspace.root)
    refs = progress.over(shared(workspace.some_apps(targets), shard), "reading app")
    return map_all(refs, lambda ref: current_release(workspace, ref, now, step))
