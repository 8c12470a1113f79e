"""Checks that a VirtualService can carry the weights of a Rollout whose types are not checked yet.

Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation/validation_references.go`` and ``rollout/trafficrouting/istio``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest, mapping
from renderer.rollouts.controller.routers.istio_routes import (
    Destinations,
    check_shares,
    routes_to_weigh,
    virtual_service_readings,
)
from renderer.rollouts.controller.routers.router import Lookup, Problem, refusal
from renderer.rollouts.model.spec import ROUTING, Path

FIELDS = {"http": "routes", "tls": "tlsRoutes", "tcp": "tcpRoutes"}
"""The Rollout's field that names routes, by the VirtualService's."""


def virtual_service_problems(canary: Any, lookup: Lookup, group: str) -> Iterator[Problem]:
    """Yield why the VirtualServices cannot carry the weights; ``canary`` is ``spec.strategy.canary`` as read."""
    istio = mapping(canary, "trafficRouting", "istio")
    named: list[tuple[Path, Any]] = [(("virtualService", "name"), istio.get("virtualService"))]
    named += [
        (("virtualServices", index, "name"), item) for index, item in enumerate(_list(istio.get("virtualServices")))
    ]
    for path, wanted in named:
        if not isinstance(wanted, dict):
            continue
        names = _destinations(canary)
        homes = [item.namespace for service in names.services for item in lookup("", "Service", service, "")]
        for service in _found(lookup, group, str(wanted.get("name") or "")):
            # Without their Services among the manifests, the namespace of the destinations is unknown.
            near = names.within(service.body, homes[0]) if homes and _has_routes(service.body) else names
            for message in _messages(canary, wanted, service.body, near):
                yield Problem((*ROUTING, "istio", *path), message)


def _found(lookup: Lookup, group: str, name: str) -> list[Manifest]:
    """Return the VirtualServices of the first reading of a name that names any."""
    readings = (
        list(lookup(group, "VirtualService", short, namespace)) for short, namespace in virtual_service_readings(name)
    )
    return next(filter(None, readings), [])


def _has_routes(service: Body) -> bool:
    """Return whether every route of a VirtualService has the types of one."""
    lists = [mapping(service, "spec").get(protocol) for protocol in FIELDS]
    return all(isinstance(routes or [], list) and all(map(_is_route, routes or [])) for routes in lists)


def _messages(canary: Body, wanted: Body, service: Body, names: Destinations) -> Iterator[str]:
    lists = {protocol: mapping(service, "spec").get(protocol) for protocol in FIELDS}
    if not any(isinstance(routes, list) and routes for routes in lists.values()):
        yield "the VirtualService has no http, tls or tcp routes"
    for protocol, routes in lists.items():
        if not isinstance(routes, list):
            continue
        if not all(map(_is_route, routes)):
            yield f"the VirtualService has {protocol} routes of invalid types"
            continue
        expected = str if protocol == "http" else dict
        chosen = [item for item in _list(wanted.get(FIELDS[protocol])) if isinstance(item, expected)]
        try:
            _check_routes(canary, routes, chosen, protocol, names)
        except RollstepError as error:
            yield f"the VirtualService has unfit {protocol} routes: {error.findings[0].message}"


def _is_route(route: object) -> bool:
    """Return whether a value has the types of a route; the VirtualService's schema checks the rest."""
    if not isinstance(route, dict):
        return False
    shares, matches = _list(route.get("route")), _list(route.get("match"))
    return (
        all(isinstance(share, dict) for share in (*shares, *matches))
        and all(isinstance(share.get("destination") or {}, dict) for share in shares)
        and all(isinstance(match.get("port") or 0, int) for match in matches)
        and all(isinstance(host, str) for match in matches for host in _list(match.get("sniHosts")))
        and all(isinstance(route.get(key) or [], list) for key in ("route", "match"))
        and all(isinstance(match.get("sniHosts") or [], list) for match in matches)
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_routes(
    canary: Body, routes: Sequence[Any], wanted: Sequence[Any], protocol: str, names: Destinations
) -> None:
    if wanted and not routes:
        raise refusal("", f"none, but {FIELDS[protocol]} of the Rollout names some")
    for index in routes_to_weigh(routes, wanted, protocol, ""):
        shares = routes[index].get("route") or []
        check_shares(shares, names, "")
        others = [share for share in shares if share.get("weight") and not names.has(share)]
        if others:
            host = mapping(others[0], "destination").get("host")
            raise refusal("", f"{host} has the weight {others[0]['weight']}, and is no destination of the Rollout")
    managed = [mapping(route).get("name") for route in _list(mapping(canary, "trafficRouting").get("managedRoutes"))]
    own = [route for route in routes if protocol != "http" or route.get("name") not in managed]
    if not wanted and len(own) > 1:
        count = len(own)
        raise refusal("", f"there are {count}, and {FIELDS[protocol]} of the Rollout does not say which get weights")


def _destinations(canary: Body) -> Destinations:
    rule, ping_pong = mapping(canary, "trafficRouting", "istio", "destinationRule"), mapping(canary, "pingPong")
    return Destinations(
        stable_service=str(ping_pong.get("pingService") or _text(canary, "stableService")),
        canary_service=str(ping_pong.get("pongService") or _text(canary, "canaryService")),
        stable_subset=_text(rule, "stableSubsetName"),
        canary_subset=_text(rule, "canarySubsetName"),
        additional_subsets=tuple(filter(_is_text, _list(rule.get("additionalSubsetNames")))),
        has_rule=mapping(canary, "trafficRouting", "istio").get("destinationRule") is not None,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else ""
