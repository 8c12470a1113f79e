"""Opens the apps that a verb names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from renderer.errors import map_all
from renderer.pipeline.load.workspace import Workspace, journal_root
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.rendered_world import rendered_world
from renderer.pipeline.write.journal import JOURNAL, pending
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
    refs = progress.over(shared(workspace.apps(targets), shard), "reading app")
    return map_all(refs, lambda ref: rendered_world(workspace, ref, now, step))


def note_interrupted(root: Path) -> None:
    """Print a note where a run was interrupted or is at work: files may be half written."""
    if pending(journal_root(root)):
        message = "a run was interrupted or is under way: the next verb that writes puts its files right"
        print(f"note: {JOURNAL}: {message}", file=sys.stderr)
