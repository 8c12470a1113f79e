"""What ``render`` makes of an app: the world of its current step, or of another one, and its files (shell)."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from renderer.errors import UsageError
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.resolve.moves import Move, at_step, react, steps_of
from renderer.pipeline.resolve.release import Release, open_release
from renderer.rollouts.controller import settle
from renderer.rollouts.model.world import World


def current_release(
    workspace: Workspace, ref: AppRef, now: datetime | None = None, step: int | None = None
) -> tuple[Release, World]:
    """Load an app and return it with the world that its sources and its status give, at ``step`` where that is named.

    What is rendered for a step does not depend on when that is done: the clock stands where the release last moved,
    until a new pod template or new steps begin something new.
    """
    release = open_release(workspace, ref, now or current_time())
    if release.state is not None:
        then = replace(release.world, now=release.state.last_update_time)
        settled = _move(then, step).after
        if not _begins(release, settled):
            return release, settled
    return release, _move(release.world, step).after


def _move(world: World, step: int | None) -> Move:
    if step is None:
        return react(world)
    steps = steps_of(world)
    if not steps:
        raise UsageError(f"{world.rollout.name} has no steps: --step is for canaries with steps")
    if step > len(steps):
        place = world.rollout.name
        raise UsageError(f"{place} has {len(steps)} steps: --step takes 0 to {len(steps)}")
    if not world.status.stable_rs:
        return react(world)
    begun = settle(world, hold_step=world.status.current_step_index or 0)
    return replace(at_step(begun.world, step), before=world)


def _begins(release: Release, world: World) -> bool:
    """Tell whether ``world``, which ``release`` has come to, is the first of a new release or of new steps."""
    if release.state is None:
        return True
    before, after = release.state.status, world.status
    return (before.current_pod_hash, before.current_step_hash) != (after.current_pod_hash, after.current_step_hash)


def moment_of(release: Release, world: World) -> str | None:
    """Return the only time that what is rendered depends on, empty for none; None where it depends on several."""
    if not _begins(release, world):
        return ""
    if release.state is not None or world.rollout.restart_at is not None:
        return None
    return format_time(world.now)
