"""Repeat the controller's pass until nothing moves any more."""

from __future__ import annotations

from dataclasses import dataclass

from renderer.model import World, Write


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

    Raises :class:`renderer.errors.RollstepError` for what is not supported yet, and :class:`AssertionError` where the
    release does not come to rest (a fault of the engine).
    """
    raise NotImplementedError
