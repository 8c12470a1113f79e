"""Traefik: weights in the user's weighted TraefikService (``trafficrouting/traefik``)."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import NamedObject, Router, find_object, refusal
from renderer.rollouts.model.rollout import Rollout

FIELD = "spec.strategy.canary.trafficRouting.traefik.weightedTraefikServiceName"
GROUPS = ("traefik.io", "traefik.containo.us")


class TraefikRouter(Router):
    """The router for ``trafficRouting.traefik``."""

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        name = str(rollout.routing.section("traefik").get("weightedTraefikServiceName") or "")
        keys = tuple(ObjectKey(group, "TraefikService", rollout.namespace, name) for group in GROUPS)
        return (NamedObject(keys, FIELD),)

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        if wanted.get("kind") != "TraefikService":
            return wanted
        weights = {item.get("name"): item.get("weight") for item in _services(rendered)}
        items = [
            {**item, "weight": weights[item["name"]]}
            if item.get("name") in rollout.service_names and weights.get(item["name"]) is not None
            else item
            for item in _services(wanted)
        ]
        return _with_services(wanted, items)

    def set_weight(self, ctx: Context, weight: int) -> None:
        key, body = find_object(ctx, self.named_objects(ctx.rollout)[0])
        if not _services(body):
            raise refusal(FIELD, "spec.weighted.services was not found in traefik service manifest")
        stable, canary = ctx.rollout.service_names
        items = _services(body)
        for role, name, share in (("canary", canary, weight), ("stable", stable, 100 - weight)):
            index = next((n for n, item in enumerate(items) if item.get("name") == name), None)
            if index is None:
                raise refusal(FIELD, f"traefik {role} service was not found", f"add {name} to spec.weighted.services")
            items[index] = {**items[index], "weight": share}
        ctx.update_object(key, _with_services(body, items))


def _services(body: Body) -> list[dict[str, Any]]:
    return list(((body.get("spec") or {}).get("weighted") or {}).get("services") or [])


def _with_services(body: Body, items: list[dict[str, Any]]) -> dict[str, Any]:
    spec = body.get("spec") or {}
    return {**body, "spec": {**spec, "weighted": {**(spec.get("weighted") or {}), "services": items}}}


ROUTER = TraefikRouter()
