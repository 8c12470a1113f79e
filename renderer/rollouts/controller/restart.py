"""Restarting pods (``rollout/restart.go``)."""

from __future__ import annotations

from renderer.rollouts.controller.context import Context


def reconcile_restart(ctx: Context) -> None:
    """Note that a restart that was asked for is done.

    The controller evicts pods one by one and changes no manifest; pods are none of our objects, so all that is left is
    the record in ``status.restartedAt``.
    """
    restart_at = ctx.rollout.restart_at
    if restart_at is not None and restart_at != ctx.status.restarted_at and ctx.now >= restart_at:
        ctx.restarted_at = restart_at
