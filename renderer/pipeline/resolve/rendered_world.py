"""The world of an app that ``render`` writes: at its current step, or at another one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from renderer.errors import UsageError
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.resolve.moves import at_step, react, steps_of
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts.controller import settle
from renderer.rollouts.model.world import World


def rendered_world(
    workspace: Workspace,
    ref: AppRef,
    now: datetime | None = None,
    step: int | None = None,
    before: Path | None = None,
    option: str = "--step",
) -> tuple[Release, World]:
    """Open an app as ``open_release`` does; return its release, and its world at its current step, or at ``step``.

    A version that waits in the sources does not begin; only ``step`` shows it.  The result does not depend on the time
    of day: the clock is the time of the release's last move, unless the app has new steps.  Raise UsageError for a step
    that the Rollout does not have, in terms of the ``option`` that names it.
    """
    release = open_release(workspace, ref, now or current_time(), before)
    world = release.world if step is not None else with_running_template(release.world)
    if release.state is not None:
        settled = _at(replace(world, now=release.state.last_update_time), step, option)
        if not _begins(release, settled):
            return release, settled
    return release, _at(world, step, option)


def render_time(release: Release, world: World) -> str | None:
    """Return the one time that the rendered files depend on, empty for none; None if they depend on several."""
    if not _begins(release, world):
        return ""
    if release.state is not None or world.rollout.restart_at is not None:
        return None
    return format_time(world.now)


def _at(world: World, step: int | None, option: str) -> World:
    if step is None:
        return react(world).after
    name, steps = world.rollout.name, steps_of(world)
    if not steps:
        raise UsageError(f"{name} has no steps: {option} is for canaries with steps")
    if step > len(steps):
        raise UsageError(f"{name} has {len(steps)} steps: {option} takes 0 to {len(steps)}")
    if not world.status.stable_rs:
        return react(world).after
    begun = settle(world, hold_step=world.status.current_step_index or 0)
    return at_step(begun.world, step)


def _begins(release: Release, world: World) -> bool:
    """Return whether ``world`` is the first of a new pod template or of new steps."""
    if release.state is None:
        return True
    before, after = release.state.status, world.status
    return (before.current_pod_hash, before.current_step_hash) != (after.current_pod_hash, after.current_step_hash)
