"""Repeat the controller's pass until nothing moves any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from renderer.engine.reconcile import reconcile
from renderer.model import World, Write

MAX_PASSES = 5000
"""More passes than any release needs: basic canaries move a pod or two in a pass."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The world once nothing moves any more, and all writes that led there, in order."""

    world: World
    writes: tuple[Write, ...]


def settle(world: World, *, hold_step: int | None = None, hold: bool = False, skip_pauses: bool = False) -> Settled:
    """Repeat {ReplicaSets become what their spec says; one pass of the controller} until nothing moves.

    With ``hold`` no ReplicaSet's available count changes.  With ``hold_step`` everything that this step asks for is
    done (weights, replicas, pause conditions) but the step never completes; steps before it complete in the ordinary
    way, and with ``skip_pauses`` pauses before it end at once, as if promoted.  Time stands still at ``world.now``.

    A pass whose writes cancel each other out is no movement, and its writes are left out: an aborted canary with a
    router makes such passes for ever.

    Raises :class:`renderer.errors.RollstepError` for what is not supported yet, and :class:`AssertionError` where the
    release does not come to rest (a fault of the engine).
    """
    writes: list[Write] = []
    for _ in range(MAX_PASSES):
        before = world if hold else catch_up(world)
        done = reconcile(before, hold_step=hold_step, skip_pauses=skip_pauses)
        if done.world == world:
            return Settled(world, tuple(writes))
        if done.world != before:
            writes.extend(done.writes)
        world = done.world
    raise AssertionError(f"the release of {world.rollout.name} does not come to rest")


def catch_up(world: World) -> World:
    """Return the world after the ReplicaSet controller has brought about what every ReplicaSet asks for."""
    return replace(world, replica_sets=tuple(rs.caught_up() for rs in world.replica_sets))
