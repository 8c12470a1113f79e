"""Traffic weights of a canary (``rollout/trafficrouting.go``)."""

from __future__ import annotations

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.context import Context, hash_of
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment import weight_destinations
from renderer.rollouts.controller.replica_counts import at_desired_replica_counts, replica_progress_threshold_met
from renderer.rollouts.controller.replica_math import (
    current_canary_step,
    desired_canary_weight,
    get_current_set_weight,
    last_set_weight,
    total_available,
)
from renderer.rollouts.controller.revisions import is_dynamically_rolling_back_to_stable, previous_canary_hash
from renderer.rollouts.controller.routers import Router, routers_of
from renderer.rollouts.controller.services import ensure_service_targets
from renderer.rollouts.model.corrections import ABORTED_SUBSET, MANAGED_ROUTES, STABLE_WITHOUT_PODS
from renderer.rollouts.model.spec import CANARY
from renderer.rollouts.model.strategy_status import TrafficWeights, WeightDestination


def reconcile_traffic_routing(ctx: Context) -> None:
    """Set the weight of the current step, an abort or a promotion in each router."""
    canary = ctx.canary
    routing = canary.traffic_routing
    if routing is None or not routing.routers:
        ctx.weights = None
        return
    for router in routers_of(ctx.rollout).values():
        canary_hash = previous_canary_hash(ctx) or hash_of(ctx.new_rs)
        stable_hash = hash_of(ctx.stable_rs)
        weight = _desired_weight(ctx, router)
        if not _stable_has_room(ctx, max_traffic_weight(ctx.rollout) - weight):
            return
        recorded = ctx.status.canary.weights
        weight_first = total_available([ctx.new_rs]) == 0 and recorded is not None and recorded.canary.weight > 0
        if not ctx.corrects(MANAGED_ROUTES):
            _set_route_of_step(ctx, router)
        if weight_first:
            # The old canary loses its traffic before its hash.
            router.set_weight(ctx, weight)
        is_back = ctx.pause.is_aborted and weight == 0 and ctx.corrects(ABORTED_SUBSET)
        router.update_hash(ctx, stable_hash if is_back else canary_hash, stable_hash)
        if ctx.corrects(MANAGED_ROUTES):
            _set_managed_routes(ctx, router)
        router.set_weight(ctx, weight)
        stable_weight = max_traffic_weight(ctx.rollout) - weight - sum(item.weight for item in ctx.additional)
        weights = TrafficWeights(
            canary=WeightDestination(weight, canary.canary_service, canary_hash),
            stable=WeightDestination(stable_weight, canary.stable_service, stable_hash),
            additional=ctx.additional,
        )
        if recorded is None or replace(recorded, verified=None) != weights:
            ctx.weights = weights


def _set_managed_routes(ctx: Context, router: Router) -> None:
    """Set the routes of all header and mirror steps so far, where the canary has pods for them; remove them elsewhere.

    The controller sets a route once, at its step: with no pods yet, or after a restart of all pods, it is lost.  After
    an abort, when the first step is the current one again, the controller adds that step's route.
    """
    is_over = ctx.is_fully_promoted or ctx.pause.is_aborted or ctx.status.promote_full
    if is_over or ctx.new_rs is None or ctx.new_rs.available_replicas == 0:
        router.remove_managed_routes(ctx)
        return
    _, index = current_canary_step(ctx.rollout, ctx.status)
    done = ctx.canary.steps[: (index or 0) + 1]
    wanted = {str(route.get("name")): (kind, route) for step in done for kind, route in step.routes.items()}
    for kind, route in wanted.values():
        _set_route(ctx, router, kind, route)


def _set_route_of_step(ctx: Context, router: Router) -> None:
    """Set the route of a header or mirror step; the first release has none."""
    step, _ = current_canary_step(ctx.rollout, ctx.status)
    if step is None or ctx.rollout.revision <= 1:
        return
    for kind, route in step.routes.items():
        _set_route(ctx, router, kind, route)


def _set_route(ctx: Context, router: Router, kind: str, route: Body) -> None:
    if kind == "setHeaderRoute":
        router.set_header_route(ctx, route)
    else:
        router.set_mirror_route(ctx, route)


def _desired_weight(ctx: Context, router: Router) -> int:
    ctx.additional = ()
    if is_dynamically_rolling_back_to_stable(ctx):
        return _weight_on_the_way_back(ctx)
    if ctx.is_fully_promoted:
        router.remove_managed_routes(ctx)
        return 0
    if ctx.pause.is_aborted:
        weight = _weight_on_the_way_back(ctx)
        if weight == 0 or not ctx.canary.dynamic_stable_scale:
            path = (*CANARY, "canaryService")
            ensure_service_targets(ctx, ctx.canary.canary_service, ctx.stable_rs, *path, check_availability=False)
        router.remove_managed_routes(ctx)
        return weight
    if ctx.new_rs is None or ctx.new_rs.available_replicas == 0:
        ctx.additional = weight_destinations(ctx)
        router.remove_managed_routes(ctx)
        return 0
    if ctx.status.promote_full:
        router.remove_managed_routes(ctx)
        if ctx.canary.dynamic_stable_scale and ctx.rollout.replicas:
            return max_traffic_weight(ctx.rollout) * ctx.new_rs.available_replicas // ctx.rollout.replicas
        weights = ctx.status.canary.weights
        return weights.canary.weight if weights is not None else 0
    return _weight_of_step(ctx)


def _weight_of_step(ctx: Context) -> int:
    _, index = current_canary_step(ctx.rollout, ctx.status)
    if index is None:
        return 0
    ctx.additional = weight_destinations(ctx)
    if not at_desired_replica_counts(ctx, None):
        # The canary lacks the pods for the new weight.
        return last_set_weight(ctx.canary.steps[:index])
    if index != len(ctx.canary.steps):
        return get_current_set_weight(ctx.rollout, ctx.status)
    return max_traffic_weight(ctx.rollout)


def _stable_has_room(ctx: Context, weight: int) -> bool:
    if ctx.stable_rs is None:
        return False
    wanted = weight * ctx.rollout.replicas // max_traffic_weight(ctx.rollout)
    if weight > 0 and ctx.rollout.replicas > 0 and ctx.corrects(STABLE_WITHOUT_PODS):
        wanted = max(1, wanted)
    return ctx.stable_rs.available_replicas >= wanted or replica_progress_threshold_met(
        ctx.canary, ctx.stable_rs, wanted
    )


def _weight_on_the_way_back(ctx: Context) -> int:
    """Return the canary's weight while traffic goes back to a stable ReplicaSet that may grow first."""
    rollout, stable_rs, new_rs = ctx.rollout, ctx.stable_rs, ctx.new_rs
    if not ctx.canary.dynamic_stable_scale or stable_rs is None or new_rs is None or rollout.replicas == 0:
        return 0
    most = max_traffic_weight(rollout)
    desired = desired_canary_weight(rollout, ctx.status, new_rs, stable_rs, ctx.world.corrections)
    stable_share = most * stable_rs.available_replicas // rollout.replicas
    expected = max(0, most - stable_share)
    weights = ctx.status.canary.weights
    if weights is None:
        return max(expected, desired)
    if desired <= 0:
        return min(expected, weights.canary.weight)
    if stable_share < most - desired:
        return weights.canary.weight
    return min(desired, weights.canary.weight)
