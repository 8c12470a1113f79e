"""``diff``: the rendered manifests of one step against those of another."""

from __future__ import annotations

from datetime import datetime

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.write.output_folder import file_diff
from renderer.rollouts.model.world import World
from renderer.verbs.apps.open import rendered_worlds


def diff_steps(
    workspace: Workspace, targets: tuple[str, ...], from_step: int | None, to_step: int | None, now: datetime | None
) -> list[tuple[AppRef, dict[str, str]]]:
    """Return for each app the unified diff of each file between two steps, by the file's path.

    The steps are by default the current one and the next commit.  Raise RollstepError with the findings of all apps.
    """
    before = rendered_worlds(workspace, targets, from_step, now, option="--from")
    if to_step is not None:
        after = [world for _, world in rendered_worlds(workspace, targets, to_step, now, option="--to")]
    else:
        after = [next((move.after for move, _ in course(world)), world) for _, world in before]
    return [(release.app.ref, _diff(release, old, new)) for (release, old), new in zip(before, after, strict=True)]


def _diff(release: Release, before: World, after: World) -> dict[str, str]:
    old, new = render_release(release, before).files, render_release(release, after).files
    prefix = f"{release.place}/{release.app.settings.output}"
    return {
        f"{prefix}/{name}": "".join(file_diff(f"{prefix}/{name}", old.get(name), new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }
