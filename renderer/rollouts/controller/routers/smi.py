"""Service Mesh Interface: a TrafficSplit with the weights (``trafficrouting/smi``, API version v1alpha1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renderer.kubernetes.manifest import ObjectKey
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import Router
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.strategy_status import WeightDestination

API_VERSION = "split.smi-spec.io/v1alpha1"


def split_key(rollout: Rollout) -> ObjectKey:
    """Return the key of the TrafficSplit."""
    name = rollout.routing.section("smi").get("trafficSplitName") or rollout.name
    return ObjectKey("split.smi-spec.io", "TrafficSplit", rollout.namespace, name)


class SmiRouter(Router):
    """The router for ``trafficRouting.smi``, which creates the TrafficSplit."""

    weighs_experiments = True

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        return (split_key(rollout),)

    def set_weight(self, ctx: Context, weight: int) -> None:
        key = split_key(ctx.rollout)
        desired = traffic_split(ctx.rollout, weight, ctx.additional)
        current = ctx.world.objects.get(key)
        if current is not None:
            desired = {**current, "spec": {**(current.get("spec") or {}), **desired["spec"]}}
        ctx.apply_object(key, desired)


def traffic_split(rollout: Rollout, weight: int, additional: Sequence[WeightDestination] = ()) -> dict[str, Any]:
    """Return the TrafficSplit with the canary at ``weight`` percent; its weights are quantities, thus text."""
    stable, canary = rollout.service_names
    metadata: dict[str, Any] = {"name": split_key(rollout).name}
    if rollout.namespace:
        metadata["namespace"] = rollout.namespace
    shares = [(canary, weight), *((item.service_name, item.weight) for item in additional)]
    shares.append((stable, 100 - sum(share for _, share in shares)))
    backends = [{"service": name, "weight": str(share)} for name, share in shares]
    spec = {"service": rollout.routing.section("smi").get("rootService") or stable, "backends": backends}
    return {"apiVersion": API_VERSION, "kind": "TrafficSplit", "metadata": metadata, "spec": spec}


ROUTER = SmiRouter()
