"""One pass of the controller over one Rollout (``rollout/controller.go``, ``rollout/context.go``)."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.rollouts.controller.blue_green import reconcile_blue_green, reconcile_blue_green_replica_sets
from renderer.rollouts.controller.canary import reconcile_canary, reconcile_canary_replica_sets
from renderer.rollouts.controller.conditions import check_paused_conditions
from renderer.rollouts.controller.context import ConflictError, Context, HashDelayedError, PropagationDelayError
from renderer.rollouts.controller.replica_math import total_actual, total_available
from renderer.rollouts.controller.replica_sets import create_desired_replica_set, sync_replica_set_revision
from renderer.rollouts.controller.revisions import desired_replicas
from renderer.rollouts.controller.supported import check_supported
from renderer.rollouts.controller.sync_status import persist_status
from renderer.rollouts.controller.templates import find_new_replica_set
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.world import World, Write


class Reconciliation(Struct, frozen=True):
    """What one pass leaves: the world after it and the writes it made, in order."""

    world: World
    writes: tuple[Write, ...]
    delayed: bool = False
    """Whether the controller sleeps for some seconds here, before it goes on."""


def reconcile(world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> Reconciliation:
    """Make one pass of the controller.

    With ``hold_step`` the step of that index is carried out but never completed.  With ``skip_pauses`` a pause before
    it ends at once, as if promoted.  Raises ``RollstepError`` for what is not supported yet, and
    for a Service or Ingress that the Rollout names and that is not there.
    """
    refuse_unsupported(world)
    return one_pass(world, hold_step=hold_step, skip_pauses=skip_pauses)


def refuse_unsupported(world: World) -> None:
    """Raise ``RollstepError`` where the Rollout has what is not supported yet."""
    findings = check_supported(world.rollout, plugin_gates=world.plugin_gates)
    if findings:
        raise RollstepError(findings)


def one_pass(world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> Reconciliation:
    """Do ``reconcile`` for a Rollout of which it is known that all it has is supported."""
    ctx = Context(resolve_workload(world), hold_step=hold_step, skip_pauses=skip_pauses)
    try:
        _reconcile(ctx)
    except PropagationDelayError:
        return Reconciliation(ctx.world, tuple(ctx.writes), delayed=True)
    except (ConflictError, HashDelayedError):
        # The controller's pass fails and is repeated; what it has written stays.
        return Reconciliation(ctx.world, tuple(ctx.writes))
    return Reconciliation(ctx.world, tuple(ctx.writes))


def _reconcile(ctx: Context) -> None:
    ctx.set_new_rs(find_new_replica_set(ctx.rollout, ctx.pod_template_hash(), ctx.all_rss))
    if ctx.new_rs is None:
        create_desired_replica_set(ctx)
    if ctx.is_fully_promoted and ctx.pause.is_aborted:
        ctx.pause.remove_abort = True
    check_paused_conditions(ctx)
    if _is_scaling_event(ctx):
        _sync_replicas_only(ctx)
    elif ctx.rollout.blue_green is not None:
        reconcile_blue_green(ctx)
    else:
        reconcile_canary(ctx)


def _is_scaling_event(ctx: Context) -> bool:
    """Tell whether the Rollout's replicas are others than those that its ReplicaSets were last scaled for."""
    sync_replica_set_revision(ctx)
    for rs in (ctx.new_rs, ctx.stable_rs):
        if rs is not None and rs.replicas > 0 and desired_replicas(rs) not in (None, ctx.rollout.replicas):
            return True
    return False


def _sync_replicas_only(ctx: Context) -> None:
    sync_replica_set_revision(ctx)
    status = ctx.status
    actual, available = total_actual(ctx.all_rss), total_available(ctx.all_rss)
    if ctx.rollout.blue_green is not None:
        reconcile_blue_green_replica_sets(ctx)
        active = status.blue_green.active_selector
        active_rs = next((rs for rs in ctx.all_rss if active and rs.pod_template_hash == active), None)
        if active_rs is not None:
            actual, available = active_rs.actual_replicas, active_rs.available_replicas
    else:
        reconcile_canary_replica_sets(ctx)
    persist_status(ctx, replace(status, hpa_replicas=actual, available_replicas=available))


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
