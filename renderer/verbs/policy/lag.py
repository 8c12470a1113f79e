"""The lag: how far a release stays behind the release of the same app in another environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from renderer.errors import UsageError
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import human_duration, parse_duration
from renderer.pipeline.resolve.describe import LAG
from renderer.pipeline.resolve.moves import Wait
from renderer.rollouts.model.world import World


class Lag(Struct, frozen=True):
    """The lag behind the environment ``behind``, the leader.

    A release may go to a step when the leader is ``steps`` steps further with the same images, and reached the step,
    or a later one, ``after`` seconds ago.  A complete release is further than any step.
    """

    behind: str
    steps: int = 0
    after: int = 0

    @classmethod
    def parse(cls, text: str) -> Lag:
        """Return the lag of ``ENV=N`` (steps) or ``ENV=24h`` (a duration); raise UsageError for another text."""
        behind, _, amount = text.partition("=")
        if behind and amount.isdecimal():
            return cls(behind, steps=int(amount))
        after = parse_duration(amount, days=True) if behind and amount[-1:].isalpha() else -1
        if after < 0:
            raise UsageError(f"{text!r} is neither ENV=STEPS, such as staging=2, nor ENV=DURATION, such as staging=24h")
        return cls(behind, after=after)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Lag:
        """Return the lag of the setting ``lag``, which has been checked."""
        return cls(body["behind"], int(body.get("steps", 0)), parse_duration(body.get("after", "0s"), days=True))


class Progress(Struct, frozen=True):
    """The progress of a release.

    ``images`` are those of its new version, ``stable_images`` those of the promoted one, ``step`` is its
    ``currentStepIndex``.  ``reached`` lists the steps of the new version with the time of each; ``moved_at`` is the
    time of the last move.
    """

    images: tuple[str, ...]
    stable_images: tuple[str, ...]
    step: int
    is_complete: bool
    is_aborted: bool
    reached: Sequence[tuple[int, datetime]] = ()
    moved_at: datetime | None = None


NO_RELEASE = Progress((), (), 0, is_complete=False, is_aborted=False)
"""The progress of an app without a release."""


def progress_of(
    world: World, reached: Sequence[tuple[int, datetime]] = (), moved_at: datetime | None = None
) -> Progress:
    """Return the progress of the release in ``world``; ``reached`` and ``moved_at`` are passed on."""
    status = world.status
    return Progress(
        images=_images(world, status.current_pod_hash),
        stable_images=_images(world, status.stable_rs),
        step=status.current_step_index or 0,
        is_complete=bool(status.stable_rs) and status.stable_rs == status.current_pod_hash,
        is_aborted=status.abort,
        reached=reached,
        moved_at=moved_at,
    )


def lag_wait(lag: Lag, leader: Progress, follower: Progress, now: datetime) -> Wait | None:
    """Return the wait before a release may be as far as ``follower``, with its end if known; None without one."""
    behind, images = f"behind another environment: {lag.behind}", ", ".join(follower.images)
    reached_at = [when for step, when in leader.reached if step >= follower.step]
    if follower.images == leader.images and not leader.is_complete:
        required = follower.step + lag.steps
        if leader.is_aborted:
            return Wait(LAG, None, f"{behind} has aborted {images}")
        if leader.step < required:
            return Wait(LAG, None, f"{behind} is at step {leader.step}, and has to be at {required} or complete")
    elif follower.images == leader.stable_images:
        # A promoted version is further than any step, also while the leader releases the next one.
        reached_at = reached_at if leader.is_complete else []
    else:
        return Wait(LAG, None, f"{behind} has not released {images or 'anything'} yet")
    since = min(reached_at, default=leader.moved_at)
    if since is None or since + timedelta(seconds=lag.after) <= now:
        return None
    until = since + timedelta(seconds=lag.after)
    return Wait(LAG, until, f"{behind} has to be at this step for {human_duration(lag.after)}")


def _images(world: World, pod_template_hash: str) -> tuple[str, ...]:
    found = world.replica_set_by_hash(pod_template_hash)
    if found is None:
        return ()
    template: Body = found.template
    spec = template.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return tuple(sorted({str(container.get("image", "")) for container in containers}))
