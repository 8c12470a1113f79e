"""APISIX: weights in the user's ApisixRoute, and an ApisixRoute for headers (``trafficrouting/apisix``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import NamedObject, Router, find_object, once, refusal
from renderer.rollouts.model.corrections import WHOLE_ROUTES
from renderer.rollouts.model.rollout import Rollout

FIELD = "spec.strategy.canary.trafficRouting.apisix.route"
GROUP = "apisix.apache.org"


def route_key(rollout: Rollout, name: str) -> ObjectKey:
    """Return the key of an ApisixRoute in the Rollout's namespace."""
    return ObjectKey(GROUP, "ApisixRoute", rollout.namespace, name)


class ApisixRouter(Router):
    """The router for ``trafficRouting.apisix``."""

    route_steps = ("setHeaderRoute",)

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        name = str((rollout.routing.section("apisix").get("route") or {}).get("name") or "")
        return (NamedObject((route_key(rollout, name),), f"{FIELD}.name"),)

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        return tuple(route_key(rollout, name) for name in rollout.routing.managed_routes)

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        if wanted.get("kind") != "ApisixRoute":
            return wanted
        weights = {
            (route.get("name"), backend.get("serviceName")): backend.get("weight")
            for route in _routes(rendered)
            for backend in route.get("backends") or []
        }
        routes = []
        for route in _routes(wanted):
            backends = [_carried(route, backend, weights) for backend in route.get("backends") or []]
            routes.append({**route, "backends": backends} if backends else route)
        return _with_routes(wanted, routes)

    def remove_managed_routes(self, ctx: Context) -> None:
        for key in self.created_objects(ctx.rollout):
            if key in ctx.world.objects:
                ctx.delete_object(key)

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Write both weights into each rule that the Rollout names."""
        key, body = find_object(ctx, self.named_objects(ctx.rollout)[0])
        stable, canary = ctx.rollout.service_names
        routes = _routes(body)
        for index in _rule_indexes(ctx.rollout, routes):
            listed = routes[index].get("backends") or []
            names = [str(item.get("serviceName") or "") for item in listed]
            once(FIELD, f"the rule {routes[index].get('name')} of ApisixRoute {key.name}", names, (stable, canary))
            backends = _weighted(listed, canary, weight)
            routes[index] = {**routes[index], "backends": _weighted(backends, stable, 100 - weight)}
        ctx.update_object(key, _with_routes(body, routes))

    def set_header_route(self, ctx: Context, route: Body) -> None:
        """Create or update the ApisixRoute for the headers; without a match, delete it."""
        key = route_key(ctx.rollout, str(route["name"]))
        current = ctx.world.objects.get(key)
        if not route.get("match"):
            if current is not None:
                ctx.delete_object(key)
            return
        keeps_old = current is not None and not ctx.corrects(WHOLE_ROUTES)
        base = current if keeps_old and current is not None else find_object(ctx, self.named_objects(ctx.rollout)[0])[1]
        stable, canary = ctx.rollout.service_names
        routes = _routes(base)
        for index in _rule_indexes(ctx.rollout, routes):
            rule = dict(routes[index])
            backends = _weighted(rule.get("backends") or [], canary, 100)
            rule["backends"] = [item for item in backends if item.get("serviceName") != stable]
            if not keeps_old:
                rule["priority"] = int(rule.get("priority") or 0) + 1
            rule["match"] = {**(rule.get("match") or {}), "exprs": _expressions(route["match"])}
            routes[index] = rule
        after = _with_routes(base, routes)
        if keeps_old:
            ctx.update_object(key, after)
            return
        if current is not None:
            ctx.update_object(key, {**after, "metadata": current["metadata"]})
            return
        ctx.create_object(key, {**after, "metadata": {**base["metadata"], "name": key.name}})


def _carried(route: Body, backend: Body, weights: dict[tuple[Any, Any], Any]) -> Body:
    weight = weights.get((route.get("name"), backend.get("serviceName")))
    return backend if weight is None else {**backend, "weight": weight}


def _rule_indexes(rollout: Rollout, routes: Sequence[Body]) -> list[int]:
    route = rollout.routing.section("apisix").get("route") or {}
    indexes = []
    for name in route.get("rules") or [route.get("name")]:
        index = next((n for n, item in enumerate(routes) if item.get("name") == name), None)
        if index is None:
            raise refusal(f"{FIELD}.rules", f"Apisix http route rule {name} not found")
        indexes.append(index)
    return indexes


def _weighted(backends: Sequence[Body], name: str, weight: int) -> list[Body]:
    result = list(backends)
    for index, backend in enumerate(result):
        if backend.get("serviceName") == name:
            result[index] = {**backend, "weight": weight}
            return result
    raise refusal(FIELD, f"apisix route {name} backend was not found", "name both Services in the route's backends")


def _expressions(matches: Sequence[Body]) -> list[dict[str, Any]]:
    expressions = []
    for match in matches:
        subject = {"scope": "Header", "name": match.get("headerName")}
        value = match.get("headerValue") or {}
        for kind, operator in (("exact", "Equal"), ("regex", "RegexMatch"), ("prefix", "RegexMatch")):
            if value.get(kind):
                text = f"^{value[kind]}.*" if kind == "prefix" else value[kind]
                expressions.append({"subject": subject, "op": operator, "value": text})
    return expressions


def _routes(body: Body) -> list[Any]:
    return list((body.get("spec") or {}).get("http") or [])


def _with_routes(body: Body, routes: list[Any]) -> dict[str, Any]:
    return {**body, "spec": {**(body.get("spec") or {}), "http": routes}}


ROUTER = ApisixRouter()
