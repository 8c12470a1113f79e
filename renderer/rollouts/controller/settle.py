"""Repeat the controller's pass until nothing moves any more."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from renderer.rollouts.controller.reconcile import one_pass, refuse_unsupported
from renderer.rollouts.model.world import World, Write

MAX_PASSES = 5000
"""More passes than any release needs: basic canaries move a pod or two in a pass."""


class Settled(Struct, frozen=True):
    """The world once nothing moves any more, and all writes that led there, in order.

    ``restless`` tells that the controller goes on writing although nothing comes of it: each of its passes undoes what
    it has just done.  ``delayed`` tells that it sleeps in the middle of a pass, where that was asked for.
    """

    world: World
    writes: tuple[Write, ...]
    restless: bool = False
    delayed: bool = False


def settle(
    world: World,
    *,
    hold_step: int | None = None,
    hold: bool = False,
    skip_pauses: bool = False,
    until_delay: bool = False,
) -> Settled:
    """Repeat {passes of the controller until it rests; ReplicaSets become what their spec says} until nothing moves.

    Pods take longer than the controller, so it always comes to rest before more of them are available.

    With ``hold`` no ReplicaSet's available count changes.  With ``hold_step`` everything that this step asks for is
    done (weights, replicas, pause conditions) but the step never completes; steps before it complete in the ordinary
    way, and with ``skip_pauses`` pauses before it end at once, as if promoted.  Time stands still at ``world.now``.

    With ``until_delay`` the world is returned as it is where the controller sleeps for some seconds in the middle of a
    pass (the Ambassador router does, before it deletes a Mapping).

    A pass whose writes cancel each other out is no movement, and its writes are left out: an aborted canary with a
    router makes such passes for ever.

    Raises ``RollstepError`` for what is not supported yet, and ``AssertionError`` where the
    release does not come to rest (a fault of the engine).
    """
    writes: list[Write] = []
    # No pass changes anything of it that this depends on.
    refuse_unsupported(world)
    for _ in range(MAX_PASSES):
        done = one_pass(world, hold_step=hold_step, skip_pauses=skip_pauses)
        if done.delayed and until_delay:
            return Settled(done.world, (*writes, *done.writes), delayed=True)
        if done.world != world:
            writes.extend(done.writes)
            world = done.world
            continue
        after = world if hold else catch_up(world)
        if after == world:
            return Settled(world, tuple(writes), restless=bool(done.writes))
        world = after
    raise AssertionError(f"the release of {world.rollout.name} does not come to rest")


def catch_up(world: World) -> World:
    """Return the world after the ReplicaSet controller has brought about what every ReplicaSet asks for."""
    return replace(world, replica_sets=tuple(rs.caught_up() for rs in world.replica_sets))
