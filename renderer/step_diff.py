"""``diff``: the rendered manifests of one step against those of another (shell)."""

from __future__ import annotations

from datetime import datetime

from renderer.discover import AppRef
from renderer.model import World
from renderer.release import course
from renderer.workspace import Release, Workspace, render_release
from renderer.write import Mode, unified
from renderer.write_release import RenderRequest, rendered_worlds


def diff_steps(
    directory: str, targets: tuple[str, ...], from_step: int | None, to_step: int | None, now: datetime | None
) -> list[tuple[AppRef, dict[str, str]]]:
    """Return for each app a unified diff of each file, by its path, of what is rendered at two steps.

    The defaults are the current one and the next commit.

    Raises RollstepError with the findings of all apps.
    """
    workspace = Workspace.open(directory)
    before = rendered_worlds(workspace, RenderRequest(directory, targets, from_step, Mode.DIFF, False, now))
    if to_step is not None:
        request = RenderRequest(directory, targets, to_step, Mode.DIFF, False, now)
        after = [world for _, world in rendered_worlds(workspace, request)]
    else:
        after = [_next(world) for _, world in before]
    return [(old[0].app.ref, _diff(*old, new)) for old, new in zip(before, after, strict=True)]


def _next(world: World) -> World:
    return next((move.after for move, _ in course(world)), world)


def _diff(release: Release, before: World, after: World) -> dict[str, str]:
    old, new = render_release(release, before).files, render_release(release, after).files
    folder = release.output
    prefix = folder.relative_to(release.root).as_posix() if folder.is_relative_to(release.root) else folder.name
    return {
        f"{prefix}/{name}": "".join(unified(f"{prefix}/{name}", old.get(name), new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    }
