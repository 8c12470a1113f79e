"""One pass of the controller over one Rollout (``rollout/controller.go``, ``rollout/context.go``)."""

from __future__ import annotations

from dataclasses import dataclass

from renderer.model import World, Write


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one pass leaves: the world after it and the writes it made, in order."""

    world: World
    writes: tuple[Write, ...]


def reconcile(world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> Reconciliation:
    """Make one pass of the controller.

    With ``hold_step`` the step of that index is carried out but never completed.  With ``skip_pauses`` a pause before
    it ends at once, as if promoted.  Raises :class:`renderer.errors.RollstepError` for what is not supported yet.
    """
    raise NotImplementedError
