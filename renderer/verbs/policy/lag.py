"""How far a release has to stay behind that of another environment (pure)."""

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
    """A release may go to a step when that of the environment ``behind`` is ``steps`` further with the same images.

    It has to be at that step, or a later one, for ``after`` seconds as well.  A release that is complete is further
    than any step.
    """

    behind: str
    steps: int = 0
    after: int = 0

    @classmethod
    def parse(cls, text: str) -> Lag:
        """Read ``ENV=N`` (steps) or ``ENV=24h`` (a time); raise UsageError for another text."""
        behind, _, amount = text.partition("=")
        if behind and amount.isdecimal():
            return cls(behind, steps=int(amount))
        after = parse_duration(amount, days=True) if behind and amount[-1:].isalpha() else -1
        if after < 0:
            raise UsageError(f"{text!r} is neither ENV=STEPS, such as staging=2, nor ENV=DURATION, such as staging=24h")
        return cls(behind, after=after)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Lag:
        """Return the setting ``lag``."""
        return cls(body["behind"], int(body.get("steps", 0)), parse_duration(body.get("after", "0s"), days=True))


class Progress(Struct, frozen=True):
    """How far a release is: the images of the version that it goes to, and the step (``currentStepIndex``) it is at.

    ``reached`` are the steps of this version with the times at which they were reached, and ``moved_at`` is the time of
    the last move; ``stable_images`` are those of the version that has been promoted.
    """

    images: tuple[str, ...]
    stable_images: tuple[str, ...]
    step: int
    is_complete: bool
    is_aborted: bool
    reached: Sequence[tuple[int, datetime]] = ()
    moved_at: datetime | None = None


NOWHERE = Progress((), (), 0, is_complete=False, is_aborted=False)
"""How far an app is that has no release."""


def progress_of(
    world: World, reached: Sequence[tuple[int, datetime]] = (), moved_at: datetime | None = None
) -> Progress:
    """Return how far the release in ``world`` is; ``reached`` and ``moved_at`` tell when it came there."""
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


def lagging(lag: Lag, leader: Progress, follower: Progress, now: datetime) -> Wait | None:
    """Say what a release that goes to where ``follower`` is has to wait for; None where it may go there at ``now``.

    A wait with ``until`` ends by itself.
    """
    name, images = lag.behind, ", ".join(follower.images)
    beyond = [when for step, when in leader.reached if step >= follower.step]
    if follower.images == leader.images and not leader.is_complete:
        asked = follower.step + lag.steps
        if leader.is_aborted:
            return Wait(f"{LAG}{name} has aborted {images}", None)
        if leader.step < asked:
            return Wait(f"{LAG}{name} is at step {leader.step}, and has to be at {asked} or complete", None)
    elif follower.images == leader.stable_images:
        # What was promoted there is further than any step, also while the next version is under way.
        beyond = beyond if leader.is_complete else []
    else:
        return Wait(f"{LAG}{name} has not released {images or 'anything'} yet", None)
    since = min(beyond, default=leader.moved_at)
    if since is None or since + timedelta(seconds=lag.after) <= now:
        return None
    until = since + timedelta(seconds=lag.after)
    return Wait(f"{LAG}{name} has to be at this step for {human_duration(lag.after)}", until)


def _images(world: World, pod_template_hash: str) -> tuple[str, ...]:
    """Return the images of the containers of a version; nothing where it has no ReplicaSet."""
    found = world.replica_set_by_hash(pod_template_hash)
    if found is None:
        return ()
    template: Body = found.template
    spec = template.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return tuple(sorted({str(container.get("image", "")) for container in containers}))
