"""Traefik: weights in the user's weighted TraefikService (``trafficrouting/traefik``)."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import NamedObject, Router, find_object, once, own_namespaces, refusal
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
        left = zip(_names(rollout, rendered), _services(rendered), strict=True)
        weights = {name: item.get("weight") for name, item in left if name in rollout.service_names}
        items = [
            {**item, "weight": weights[name]} if weights.get(name) is not None else item
            for name, item in zip(_names(rollout, wanted), _services(wanted), strict=True)
        ]
        return _with_services(wanted, items)

    def set_weight(self, ctx: Context, weight: int) -> None:
        key, body = find_object(ctx, self.named_objects(ctx.rollout)[0])
        if not _services(body):
            raise refusal(FIELD, "spec.weighted.services was not found in traefik service manifest")
        stable, canary = ctx.rollout.service_names
        items, names = _services(body), _names(ctx.rollout, body)
        once(FIELD, f"TraefikService {key.name}", names, (stable, canary))
        for role, name, share in (("canary", canary, weight), ("stable", stable, 100 - weight)):
            if name not in names:
                hint = f"add the Service {name} to spec.weighted.services"
                raise refusal(FIELD, f"traefik {role} service was not found", hint)
            index = names.index(name)
            items[index] = {**items[index], "weight": share}
        ctx.update_object(key, _with_services(body, items))


def _services(body: Body) -> list[dict[str, Any]]:
    return list(((body.get("spec") or {}).get("weighted") or {}).get("services") or [])


def _names(rollout: Rollout, body: Body) -> list[str]:
    """Return the name of the Service of each entry; empty for one of another kind or namespace."""
    default = str((body.get("metadata") or {}).get("namespace") or rollout.namespace)
    near = [
        (str(item.get("name") or ""), str(item.get("namespace") or default))
        if (item.get("kind") or "Service") == "Service"
        else ("", "")
        for item in _services(body)
    ]
    own = own_namespaces(rollout.namespace, (at for name, at in near if name in rollout.service_names))
    return [name if at in own else "" for name, at in near]


def _with_services(body: Body, items: list[dict[str, Any]]) -> dict[str, Any]:
    spec = body.get("spec") or {}
    return {**body, "spec": {**spec, "weighted": {**(spec.get("weighted") or {}), "services": items}}}


ROUTER = TraefikRouter()
