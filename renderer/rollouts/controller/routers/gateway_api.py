"""The Gateway API: weights and header rules in the user's routes, as the plugin ``argoproj-labs/gatewayAPI`` v0.15.0.

Unlike the plugin, it keeps a rule whose only backend is the canary, and the weight in a rule with one of the two
Services; a rule for headers has all fields of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from renderer.kubernetes.manifest import Body, ObjectKey, field_path
from renderer.kubernetes.selectors import selects
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.routers.gateway_config import (
    GROUP,
    KINDS,
    PATH,
    PLUGIN,
    WITH_HEADERS,
    in_progress_label,
    plugin_problems,
    plugin_section,
    route_refs,
    route_selectors,
)
from renderer.rollouts.controller.routers.gateway_rules import (
    Backends,
    ordered,
    owner_of,
    refs_of,
    rules_of,
    weighted,
    weights_in,
    with_header_rules,
    with_rules,
)
from renderer.rollouts.controller.routers.router import NamedObject, Problem, Router, find_object, once, refusal
from renderer.rollouts.model.rollout import Rollout


class Route(NamedTuple):
    """A route, the Rollout's ``field`` that names or selects it, and whether it gets rules for headers."""

    key: ObjectKey
    body: Body
    field: str
    headers: bool


class GatewayApiRouter(Router):
    """The router for ``trafficRouting.plugins["argoproj-labs/gatewayAPI"]``."""

    plugin = PLUGIN
    route_steps = ("setHeaderRoute",)
    route_hint = "say useHeaderRoutes: true of an HTTPRoute or GRPCRoute"
    has_max_traffic_weight = True

    def adds_routes(self, section: Any, kind: str) -> bool:
        """Return whether a step of this kind adds a rule: a route of the Gateway API has a flag for it."""
        if kind not in self.route_steps or not isinstance(section, dict) or PLUGIN not in section:
            return kind in self.route_steps
        return any(ref.headers and ref.kind in WITH_HEADERS for ref in route_refs(plugin_section(section)))

    def problems(self, section: Any) -> Iterator[Problem]:
        return plugin_problems(section)

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        return tuple(
            NamedObject(tuple(ObjectKey(GROUP, ref.kind, at, ref.name) for at in _namespaces(rollout)), field)
            for ref, field in ((ref, field_path(ref.path)) for ref in route_refs(_section(rollout)))
        )

    def selected_objects(self, rollout: Rollout, objects: Mapping[ObjectKey, Body]) -> tuple[ObjectKey, ...]:
        return tuple(dict.fromkeys(key for key, _ in _selected(rollout, objects)))

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        if wanted.get("kind") not in KINDS.values():
            return wanted
        backends, managed = _backends(rollout, wanted), rollout.routing.managed_routes
        last = rules_of(rendered)
        rules = weighted(rules_of(wanted), backends, weights_in(last, backends))
        if wanted["kind"] in WITH_HEADERS:
            names = {rule.get("name") for rule in rules}
            added = [rule for rule in last if owner_of(rule, managed, backends) and rule.get("name") not in names]
            rules = ordered([*rules, *added], managed, backends) if added else rules
        label = in_progress_label(_section(rollout))
        carried = with_rules(wanted, rules)
        return carried if label is None else _labelled(carried, label[0], _labels(rendered).get(label[0]))

    def remove_managed_routes(self, ctx: Context) -> None:
        managed = ctx.rollout.routing.managed_routes
        for route in _with_headers(ctx):
            backends = _backends(ctx.rollout, route.body)
            kept = [rule for rule in rules_of(route.body) if not owner_of(rule, managed, backends)]
            ctx.update_object(route.key, with_rules(route.body, kept))

    def set_header_route(self, ctx: Context, route: Body) -> None:
        managed = ctx.rollout.routing.managed_routes
        for each in _with_headers(ctx):
            backends = _backends(ctx.rollout, each.body)
            rules = with_header_rules(rules_of(each.body), route, managed, backends, each.field)
            ctx.update_object(each.key, with_rules(each.body, rules))

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Write both weights into each rule with both Services, and label the route while the canary has traffic."""
        stable, canary = ctx.rollout.service_names
        managed = ctx.rollout.routing.managed_routes
        label = in_progress_label(_section(ctx.rollout))
        weights = {stable: max_traffic_weight(ctx.rollout) - weight, canary: weight}
        routes = list(_routes(ctx))
        if not routes:
            raise refusal(field_path(PATH), "selects no route", "give a route of the app's manifests the labels")
        for route in routes:
            rules, backends = rules_of(route.body), _backends(ctx.rollout, route.body)
            if not any(backends.in_rule(rule) for rule in rules):
                message = f"no rule of {route.key.kind} {route.key.name} has both {stable} and {canary} as backends"
                raise refusal(route.field, message, "name both Services in the backendRefs of a rule")
            for rule in filter(backends.in_rule, rules):
                names = map(backends.name_of, refs_of(rule))
                once(route.field, f"a rule of {route.key.kind} {route.key.name}", names, weights)
            after = with_rules(route.body, weighted(rules, backends, weights))
            if label is not None:
                marked = weight > 0 or any(owner_of(rule, managed, backends) for rule in rules)
                after = _labelled(after, label[0], label[1] if marked else None)
            ctx.update_object(route.key, after)


ROUTER = GatewayApiRouter()


def _backends(rollout: Rollout, route: Body) -> Backends:
    return Backends.of(*rollout.service_names, rollout.namespace, route)


def _section(rollout: Rollout) -> Body:
    return plugin_section(rollout.routing.section("plugins"))


def _namespaces(rollout: Rollout) -> tuple[str, ...]:
    """Return the namespaces of the routes; a Rollout without a namespace has them beside it."""
    wanted = str(_section(rollout).get("namespace") or rollout.namespace)
    return (wanted,) if rollout.namespace or not wanted else (wanted, "")


def _selected(rollout: Rollout, objects: Mapping[ObjectKey, Body]) -> Iterator[tuple[ObjectKey, str]]:
    """Yield each route selected by labels, with the field of the selector."""
    for each in route_selectors(_section(rollout)):
        for key in sorted(objects):
            is_there = (key.group, key.kind) == (GROUP, each.kind) and key.namespace in _namespaces(rollout)
            if is_there and selects(each.selector, _labels(objects[key])):
                yield key, field_path(each.path)


def _routes(ctx: Context) -> Iterator[Route]:
    """Yield each named or selected route once."""
    seen = set()
    refs = route_refs(_section(ctx.rollout))
    for ref, named in zip(refs, ROUTER.named_objects(ctx.rollout), strict=True):
        key, body = find_object(ctx, named)
        seen.add(key)
        yield Route(key, body, named.field, ref.headers and ref.kind in WITH_HEADERS)
    for key, field in _selected(ctx.rollout, ctx.world.objects):
        if key not in seen:
            seen.add(key)
            yield Route(key, ctx.world.objects[key], field, headers=False)


def _with_headers(ctx: Context) -> list[Route]:
    return [route for route in _routes(ctx) if route.headers]


def _labels(body: Body) -> Body:
    labels: Any = (body.get("metadata") or {}).get("labels")
    return labels if isinstance(labels, dict) else {}


def _labelled(body: Body, key: str, value: str | None) -> Body:
    """Return the object with the label, without it for None."""
    if _labels(body).get(key) == value:
        return body
    metadata = {name: item for name, item in body["metadata"].items() if name != "labels"}
    labels = {name: text for name, text in _labels(body).items() if name != key}
    if value is not None:
        labels = {**_labels(body), key: value}
    return {**body, "metadata": {**body["metadata"], "labels": labels} if labels else metadata}
