"""One pass of the controller over a Rollout (``rollout/controller.go``), and passes until the release settles."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.rollouts.controller.blue_green import reconcile_blue_green, reconcile_blue_green_replica_sets
from renderer.rollouts.controller.canary import reconcile_canary, reconcile_canary_replica_sets
from renderer.rollouts.controller.conditions import check_paused_conditions
from renderer.rollouts.controller.context import ConflictError, Context, HashDelayedError, PropagationDelayError
from renderer.rollouts.controller.replica_math import total_available
from renderer.rollouts.controller.replica_sets import create_desired_replica_set, sync_replica_set_revision
from renderer.rollouts.controller.revisions import desired_replicas
from renderer.rollouts.controller.sync_status import persist_status
from renderer.rollouts.controller.templates import find_new_replica_set
from renderer.rollouts.controller.unsupported import unsupported_fields
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC
from renderer.rollouts.model.rollout import find_by_hash
from renderer.rollouts.model.world import World, Write


class Reconciliation(Struct, frozen=True):
    """The world after one pass, and its writes in order."""

    world: World
    writes: tuple[Write, ...]
    delayed: bool = False
    """True if the controller sleeps for some seconds before the next pass."""


def reconcile(world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> Reconciliation:
    """Return the result of one pass of the controller.

    The step with the index ``hold_step`` never completes; with ``skip_pauses`` a pause before it ends at once, as if
    promoted.  Raise ``RollstepError`` for unsupported fields, and for a missing object that the Rollout names.
    """
    _raise_unsupported(world)
    return _pass(world, hold_step=hold_step, skip_pauses=skip_pauses)


def _raise_unsupported(world: World) -> None:
    findings = unsupported_fields(world.rollout, plugin_gates=world.plugin_gates)
    if findings:
        raise RollstepError(findings)


def _pass(world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> Reconciliation:
    ctx = Context(resolve_workload(world), hold_step=hold_step, skip_pauses=skip_pauses)
    try:
        _reconcile(ctx)
    except PropagationDelayError:
        return Reconciliation(ctx.world, tuple(ctx.writes), delayed=True)
    except (ConflictError, HashDelayedError):
        # The controller's pass fails and is repeated; its writes stay.
        return Reconciliation(ctx.world, tuple(ctx.writes))
    return Reconciliation(ctx.world, tuple(ctx.writes))


def _reconcile(ctx: Context) -> None:
    ctx.set_new_rs(find_new_replica_set(ctx.rollout, ctx.pod_template_hash(), ctx.all_rss, ctx.world.corrections))
    deadline = ctx.new_rs.scale_down_deadline if ctx.new_rs is not None else None
    ctx.new_rs_within_delay = deadline is not None and deadline > ctx.now
    if ctx.new_rs is None:
        create_desired_replica_set(ctx)
    if ctx.is_fully_promoted and ctx.pause.is_aborted:
        ctx.pause.remove_abort = True
    if ctx.since_1_10 and ctx.wrote_rollout:
        return
    check_paused_conditions(ctx)
    if ctx.since_1_10 and ctx.wrote_rollout:
        return
    if _is_scaling_event(ctx):
        _sync_replicas_only(ctx)
    elif ctx.rollout.blue_green is not None:
        reconcile_blue_green(ctx)
    else:
        reconcile_canary(ctx)


def _is_scaling_event(ctx: Context) -> bool:
    """Return whether ``spec.replicas`` has changed since the ReplicaSets were last scaled.

    The canary of an aborted release keeps its size, so that the controller would do nothing but scale until its
    deadline; with the correction its traffic goes back meanwhile.
    """
    sync_replica_set_revision(ctx)
    if ctx.pause.is_aborted and ctx.corrects(ABORTED_TRAFFIC):
        return False
    for rs in (ctx.new_rs, ctx.stable_rs):
        if rs is not None and rs.replicas > 0 and desired_replicas(rs) not in (None, ctx.rollout.replicas):
            return True
    return False


def _sync_replicas_only(ctx: Context) -> None:
    sync_replica_set_revision(ctx)
    status = ctx.status
    actual, available = sum(rs.actual_replicas for rs in ctx.all_rss), total_available(ctx.all_rss)
    if ctx.rollout.blue_green is not None:
        reconcile_blue_green_replica_sets(ctx)
        active_rs = find_by_hash(ctx.all_rss, status.blue_green.active_selector)
        if active_rs is not None:
            actual, available = active_rs.actual_replicas, active_rs.available_replicas
    else:
        reconcile_canary_replica_sets(ctx)
    persist_status(ctx, replace(status, hpa_replicas=actual, available_replicas=available))


MAX_PASSES = 5000
"""More passes than any release needs: a basic canary moves a pod or two in a pass."""


class Settled(Struct, frozen=True):
    """The world after passes until no pass changes it, and their writes in order.

    ``loops``: each further pass makes writes and undoes them.  ``delayed``: the controller sleeps in the middle of a
    pass (with ``until_delay``).
    """

    world: World
    writes: tuple[Write, ...]
    loops: bool = False
    delayed: bool = False


def settle(
    world: World,
    *,
    hold_step: int | None = None,
    hold: bool = False,
    skip_pauses: bool = False,
    until_delay: bool = False,
) -> Settled:
    """Run the controller and the ReplicaSet controller in turn until neither changes the world.

    Pods become available only after a pass that changes nothing, with ``hold`` never.  The step with the index
    ``hold_step`` is carried out (weights, replicas, pause conditions) but never completes; with ``skip_pauses`` pauses
    before it end at once, as if promoted.  The time stays ``world.now``.  With ``until_delay`` return as soon as the
    controller sleeps in the middle of a pass (the Ambassador router does, before it deletes a Mapping).

    The writes of a pass that cancel each other out are left out: an aborted canary with a router makes such passes for
    ever.

    Raise ``RollstepError`` for unsupported fields, and ``AssertionError`` after ``MAX_PASSES`` (a fault of the engine).
    """
    writes: list[Write] = []
    # No pass changes the fields that this depends on.
    _raise_unsupported(world)
    for _ in range(MAX_PASSES):
        done = _pass(world, hold_step=hold_step, skip_pauses=skip_pauses)
        if done.delayed and until_delay:
            return Settled(done.world, (*writes, *done.writes), delayed=True)
        if done.world != world:
            writes.extend(done.writes)
            world = _unobserved(world, done.world) if hold else done.world
            continue
        after = world if hold else with_available_pods(world)
        if after == world:
            return Settled(world, tuple(writes), loops=bool(done.writes))
        world = after
    raise AssertionError(f"the release of {world.rollout.name} does not settle")


def _unobserved(before: World, after: World) -> World:
    """Return ``after`` with the ReplicaSets that are new or scaled as not observed."""
    old = {rs.name: rs.replicas for rs in before.replica_sets}
    sets = (rs if old.get(rs.name) == rs.replicas else replace(rs, observed=False) for rs in after.replica_sets)
    return replace(after, replica_sets=tuple(sets))


def with_available_pods(world: World) -> World:
    """Return the world with all replicas of every ReplicaSet available."""
    return replace(world, replica_sets=tuple(rs.fully_available() for rs in world.replica_sets))
