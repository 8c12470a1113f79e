"""Istio: weights and routes in VirtualServices, subsets in a DestinationRule (``trafficrouting/istio``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey, field_path, mapping
from renderer.rollouts.controller.context import Context, HashDelayedError
from renderer.rollouts.controller.experiment import is_experiment_service
from renderer.rollouts.controller.routers.istio_checks import virtual_service_problems
from renderer.rollouts.controller.routers.istio_routes import (
    Destinations,
    canary_port,
    header_route,
    mirror_route,
    ordered,
    routes_to_weigh,
    virtual_service_readings,
    weighted,
    whole_header_route,
    whole_mirror_route,
    without_route,
)
from renderer.rollouts.controller.routers.istio_subsets import GROUP, subset_hashes
from renderer.rollouts.controller.routers.router import (
    Lookup,
    NamedObject,
    Problem,
    Router,
    find_object,
    named_items,
    refusal,
)
from renderer.rollouts.controller.services import stable_and_canary_services
from renderer.rollouts.model.corrections import EVERY_OBJECT, OTHER_SUBSETS, WHOLE_ROUTES
from renderer.rollouts.model.rollout import HASH_LABEL, MANAGED_BY_ANNOTATION, Rollout
from renderer.rollouts.model.spec import ROUTING
from renderer.rollouts.model.world import World

PATH = (*ROUTING, "istio")
PROTOCOLS = (("http", "routes"), ("tls", "tlsRoutes"), ("tcp", "tcpRoutes"))


class IstioRouter(Router):
    """The router for ``trafficRouting.istio``."""

    route_steps = ("setHeaderRoute", "setMirrorRoute")
    has_ping_pong = True
    weighs_experiments = True
    one_or_several = ("virtualService", "virtualServices")

    def needs_services(self, section: Any) -> bool:
        """Return whether both Services are required: the subsets of a DestinationRule replace them."""
        return mapping(section).get("destinationRule") is None

    def object_problems(self, canary: Any, lookup: Lookup) -> Iterator[Problem]:
        return virtual_service_problems(canary, lookup, GROUP)

    def selected_hashes(self, world: World) -> tuple[str, ...]:
        return tuple(pod_hash for _, pod_hash in subset_hashes(world))

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        found = [
            NamedObject(keys, field, _reading(name, keys[0]))
            for item, field in virtual_services(rollout)
            for name in [str(item.get("name") or "")]
            for keys in [_virtual_service_keys(rollout, name)]
        ]
        rule = rollout.routing.section("istio").get("destinationRule")
        if rule is not None:
            key = ObjectKey(GROUP, "DestinationRule", rollout.namespace, str(rule.get("name") or ""))
            found.append(NamedObject((key,), field_path((*PATH, "destinationRule", "name"))))
        return tuple(found)

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        if wanted.get("kind") == "DestinationRule":
            return _carry_over_rule(wanted, rendered)
        return _carry_over_service(rollout, wanted, rendered) if wanted.get("kind") == "VirtualService" else wanted

    def remove_managed_routes(self, ctx: Context) -> None:
        """Remove the managed routes, from v1.10 on those of all header and mirror steps as well."""
        managed = set(ctx.rollout.routing.managed_routes)
        if ctx.since_1_10:
            managed |= {str(route["name"]) for step in ctx.canary.steps for route in step.routes.values()}
        for named, _ in self._services(ctx.rollout):
            key, body = find_object(ctx, named)
            http = _routes(body, "http")
            kept = [route for route in http if route.get("name", "") not in managed]
            if len(kept) == len(http) and not (ctx.since_1_10 and managed) and not ctx.corrects(EVERY_OBJECT):
                # Like the controller, do not change the other VirtualServices.
                return
            ctx.update_object(key, _with_routes(body, "http", kept))

    def set_header_route(self, ctx: Context, route: Body) -> None:
        host, subset = self._canary(ctx)
        for named, item in self._services(ctx.rollout):
            key, body = find_object(ctx, named)
            http = without_route(_routes(body, "http"), str(route["name"]))
            if route.get("match") and ctx.corrects(WHOLE_ROUTES):
                weighed = routes_to_weigh(http, item.get("routes") or (), "http", named.field)
                destinations = self._destinations(ctx)
                http += [whole_header_route(route, http[index], destinations) for index in weighed]
            elif route.get("match"):
                port = canary_port(http, item.get("routes") or ())
                http.append(header_route(route, host, port, subset))
            self._update_http(ctx, key, body, http)

    def set_mirror_route(self, ctx: Context, route: Body) -> None:
        host, subset = self._canary(ctx)
        for named, item in self._services(ctx.rollout):
            key, body = find_object(ctx, named)
            http = without_route(_routes(body, "http"), str(route["name"]))
            if route.get("match") and ctx.corrects(WHOLE_ROUTES):
                weighed = routes_to_weigh(http, item.get("routes") or (), "http", named.field)
                copies = (whole_mirror_route(route, http[index], self._destinations(ctx)) for index in weighed)
                http[:0] = [copy for copy in copies if copy["match"]]
            elif route.get("match"):
                weighed = routes_to_weigh(http, item.get("routes") or (), "http", named.field)
                shares = http[weighed[0]].get("route") or [] if weighed else []
                http.insert(0, mirror_route(route, shares, host, subset))
            self._update_http(ctx, key, body, http)

    def update_hash(self, ctx: Context, canary_hash: str, stable_hash: str) -> None:
        """Write the hashes into the DestinationRule's subsets.

        The controller removes all others; with the correction those of experiments alone, which have no label but the
        hash.
        """
        _delay_for_availability(ctx, canary_hash, stable_hash)
        spec = ctx.rollout.routing.section("istio").get("destinationRule")
        if spec is None:
            return
        key, body = find_object(ctx, self.named_objects(ctx.rollout)[-1])
        hashes = {spec.get("canarySubsetName"): canary_hash, spec.get("stableSubsetName"): stable_hash}
        hashes |= {item.service_name: item.pod_template_hash for item in ctx.additional}
        old = (body.get("spec") or {}).get("subsets") or []
        subsets = [
            _labelled(subset, hashes[subset.get("name")]) if subset.get("name") in hashes else subset
            for subset in old
            if subset.get("name") in hashes or (ctx.corrects(OTHER_SUBSETS) and not _is_of_experiment(subset))
        ]
        names = [subset.get("name") for subset in subsets]
        subsets += [
            {"name": item.service_name, "labels": {HASH_LABEL: item.pod_template_hash}}
            for item in ctx.additional
            if item.service_name not in names
        ]
        metadata = body["metadata"]
        annotations = {**(metadata.get("annotations") or {}), MANAGED_BY_ANNOTATION: ctx.rollout.name}
        after = {**body, "metadata": {**metadata, "annotations": annotations}}
        ctx.update_object(key, {**after, "spec": {**body["spec"], "subsets": subsets}})

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Write the weights into every route of the VirtualServices that the Rollout names."""
        names = self._destinations(ctx)
        managed = ctx.rollout.routing.managed_routes
        for named, item in self._services(ctx.rollout):
            key, body = find_object(ctx, named)
            after, changed, weighed = body, False, 0
            beside = names.within(body, ctx.rollout.namespace)
            for protocol, field in PROTOCOLS:
                routes = _routes(body, protocol)
                wanted = list(item.get(field) or ())
                if protocol == "http":
                    wanted += [r["name"] for r in routes if r.get("mirror") and r.get("name") in managed]
                for index in routes_to_weigh(routes, wanted, protocol, named.field):
                    shares = routes[index].get("route") or []
                    new = weighted(shares, weight, beside, named.field, ctx.additional)
                    weighed += 1
                    changed = changed or new != shares
                    routes[index] = {**routes[index], "route": new}
                if routes:
                    after = _with_routes(after, protocol, routes)
            if not weighed:
                message = f"no route of VirtualService {key.name} gets the weights"
                raise refusal(named.field, message, "name its routes in routes, tlsRoutes or tcpRoutes of the Rollout")
            if changed:
                http = ordered(_routes(after, "http"), managed)
                ctx.update_object(key, _with_routes(after, "http", http) if http else after)

    def _services(self, rollout: Rollout) -> list[tuple[NamedObject, Body]]:
        items = [item for item, _ in virtual_services(rollout)]
        return list(zip(self.named_objects(rollout), items, strict=False))

    def _update_http(self, ctx: Context, key: ObjectKey, body: Body, http: Sequence[Body]) -> None:
        after = _with_routes(body, "http", ordered(http, ctx.rollout.routing.managed_routes))
        ctx.update_object(key, after)

    def _destinations(self, ctx: Context) -> Destinations:
        stable, canary = stable_and_canary_services(ctx.rollout, ctx.status, prefer_ping_pong=False)
        rule = ctx.rollout.routing.section("istio").get("destinationRule") or {}
        return Destinations(
            stable_service=stable,
            canary_service=canary,
            stable_subset=str(rule.get("stableSubsetName") or ""),
            canary_subset=str(rule.get("canarySubsetName") or ""),
            additional_subsets=tuple(rule.get("additionalSubsetNames") or ()),
            has_rule=bool(rule),
        )

    def _canary(self, ctx: Context) -> tuple[str, str]:
        names = self._destinations(ctx)
        if not names.has_rule:
            return names.canary_service, ""
        _, rule = find_object(ctx, self.named_objects(ctx.rollout)[-1])
        return str((rule.get("spec") or {}).get("host") or names.canary_service), names.canary_subset


def virtual_services(rollout: Rollout) -> list[tuple[Body, str]]:
    """Return the Rollout's section for each VirtualService, with the field of its name."""
    items = named_items(rollout.routing.section("istio"), "virtualService", "virtualServices")
    return [(item or {}, field_path((*PATH, *path, "name"))) for path, item in items]


def _virtual_service_keys(rollout: Rollout, name: str) -> tuple[ObjectKey, ...]:
    return tuple(
        ObjectKey(GROUP, "VirtualService", namespace or rollout.namespace, short)
        for short, namespace in virtual_service_readings(name)
    )


def _reading(name: str, key: ObjectKey) -> str:
    if "." not in name:
        return ""
    return f'"{name}" was read as NAME.NAMESPACE: the name {key.name} in the namespace {key.namespace}'


def _delay_for_availability(ctx: Context, canary_hash: str, stable_hash: str) -> None:
    """Raise ``HashDelayedError`` for a subset without available pods: no Service keeps traffic from it."""
    canary = ctx.rollout.canary
    assert canary is not None
    if canary.canary_service or canary.stable_service:
        return
    for rs in ctx.all_rss:
        if rs.replicas == 0 or not rs.pod_template_hash or rs.pod_template_hash not in (canary_hash, stable_hash):
            continue
        if rs.pod_template_hash == canary_hash and _only_stable_counts(ctx, stable_hash):
            continue
        if not 0 < rs.replicas <= rs.available_replicas:
            raise HashDelayedError(rs.name)


def _only_stable_counts(ctx: Context, stable_hash: str) -> bool:
    if ctx.status.abort:
        return True
    stable = next((rs for rs in ctx.all_rss if rs.pod_template_hash == stable_hash), None)
    weights, canary = ctx.status.canary.weights, ctx.rollout.canary
    if stable is None or weights is None or canary is None or not canary.dynamic_stable_scale:
        return False
    moved = weights.canary.pod_template_hash != stable.pod_template_hash
    return ctx.is_fully_promoted and moved and stable.available_replicas < ctx.rollout.replicas


def _is_of_experiment(subset: Body) -> bool:
    return set(subset.get("labels") or {}) == {HASH_LABEL}


def _labelled(subset: Body, pod_template_hash: str) -> dict[str, Any]:
    labels = {name: text for name, text in (subset.get("labels") or {}).items() if name != HASH_LABEL}
    if pod_template_hash:
        labels[HASH_LABEL] = pod_template_hash
    return {**subset, "labels": labels}


def _routes(body: Body, protocol: str) -> list[Any]:
    return list((body.get("spec") or {}).get(protocol) or [])


def _with_routes(body: Body, protocol: str, routes: Sequence[Body]) -> dict[str, Any]:
    return {**body, "spec": {**(body.get("spec") or {}), protocol: list(routes)}}


def _carry_over_rule(wanted: Body, rendered: Body) -> Body:
    hashes = {
        item.get("name"): (item.get("labels") or {}).get(HASH_LABEL)
        for item in (rendered.get("spec") or {}).get("subsets") or []
    }
    own = (wanted.get("spec") or {}).get("subsets") or []
    subsets = [_labelled(item, hashes[item["name"]] or "") if hashes.get(item.get("name")) else item for item in own]
    names = {item.get("name") for item in own}
    old = (rendered.get("spec") or {}).get("subsets") or []
    subsets += [item for item in old if _is_of_experiment(item) and item.get("name") not in names]
    manager = ((rendered.get("metadata") or {}).get("annotations") or {}).get(MANAGED_BY_ANNOTATION)
    metadata = dict(wanted["metadata"])
    if manager is not None:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), MANAGED_BY_ANNOTATION: manager}
    return {**wanted, "metadata": metadata, "spec": {**(wanted.get("spec") or {}), "subsets": subsets}}


def _carry_over_service(rollout: Rollout, wanted: Body, rendered: Body) -> Body:
    result: Body = wanted
    for protocol, _ in PROTOCOLS:
        old = _routes(rendered, protocol)
        managed = rollout.routing.managed_routes if protocol == "http" else ()
        own = [route for route in old if route.get("name") in managed]
        rest = [route for route in old if route.get("name") not in managed]
        new = [route for route in _routes(wanted, protocol) if route.get("name") not in managed]
        if len(new) == len(rest):
            new = [_carried(rollout, route, before) for route, before in zip(new, rest, strict=True)]
        if own or new:
            result = _with_routes(result, protocol, [*own, *new])
    return result


def _carried(rollout: Rollout, route: Body, before: Body) -> Body:
    destinations, old = route.get("route") or [], before.get("route") or []
    # The destinations of an experiment follow the user's.
    added = [item for item in old if is_experiment_service(rollout, str(mapping(item, "destination").get("host")))]
    own = [item for item in old if item not in added]
    if [item.get("destination") for item in destinations] != [item.get("destination") for item in own]:
        return route
    shares = [
        {**item, "weight": was["weight"]} if "weight" in was else item
        for item, was in zip(destinations, own, strict=True)
    ]
    return {**route, "route": [*shares, *added]}


ROUTER = IstioRouter()
