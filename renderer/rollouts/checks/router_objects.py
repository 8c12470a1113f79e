"""What a router's own object needs so that weights can be written into it (pure).

Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation/validation_references.go`` and ``rollout/trafficrouting``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Manifest, field_path
from renderer.rollouts.checks.references import Kind, Objects
from renderer.rollouts.checks.report import Path, Report, part_of
from renderer.rollouts.checks.routing import CANARY, ROUTING
from renderer.rollouts.controller.routers import refuse
from renderer.rollouts.controller.routers.istio_routes import Destinations, check_shares, routes_to_weigh

VIRTUAL_SERVICE: Kind = ("networking.istio.io", "VirtualService")
MAPPING: Kind = ("getambassador.io", "Mapping")
MESH_SERVICE: Kind = ("appmesh.k8s.aws", "VirtualService")
MESH_ROUTER: Kind = ("appmesh.k8s.aws", "VirtualRouter")
MESH_ROUTES = ("grpcRoute", "http2Route", "httpRoute", "tcpRoute")
ISTIO: Path = (*ROUTING, "istio")
WANTED = {"http": "routes", "tls": "tlsRoutes", "tcp": "tcpRoutes"}


def check_router_objects(report: Report, objects: Objects) -> None:
    """Report VirtualServices, Mappings and VirtualRouters among ``objects`` that cannot carry the weights."""
    for path, wanted in _virtual_services(report):
        name, _, rest = str(wanted.get("name") or "").partition(".")
        for service in _named(report, objects, VIRTUAL_SERVICE, name, rest.partition(".")[0]):
            for message in _problems(report, wanted, service.body):
                # Kubernetes' name of it has no index, even where there are several.
                field = field_path(tuple(part for part in path if isinstance(part, str)))
                report.add("RS319", path, message, field=field)
    for name in report.items(*ROUTING, "ambassador", "mappings"):
        for mapping in _named(report, objects, MAPPING, name):
            weight = part_of(mapping.body, ("spec", "weight"))
            if isinstance(weight, int) and weight:
                message = f"{weight}: the router sets the weight, of a Mapping of its own"
                report.add_at("RS320", mapping, ("spec", "weight"), message)
    for service in _named(report, objects, MESH_SERVICE, report.text(*ROUTING, "appMesh", "virtualService", "name")):
        router = part_of(service.body, ("spec", "provider", "virtualRouter", "virtualRouterRef", "name"))
        for found in _named(report, objects, MESH_ROUTER, router):
            _check_mesh_router(report, found)


def _named(report: Report, objects: Objects, kind: Kind, name: object, namespace: str = "") -> Iterator[Manifest]:
    wanted = namespace or report.rollout.namespace
    for manifest in objects.named(kind, name) if isinstance(name, str) and name else ():
        if (manifest.namespace or wanted) == wanted:
            yield manifest


def _virtual_services(report: Report) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    one, several = report.at(*ISTIO, "virtualService"), report.items(*ISTIO, "virtualServices")
    for path, item in [
        ((*ISTIO, "virtualService", "name"), one),
        *(((*ISTIO, "virtualServices", index, "name"), item) for index, item in enumerate(several)),
    ]:
        if isinstance(item, dict):
            yield path, item


def _problems(report: Report, wanted: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    lists = {protocol: part_of(body, ("spec", protocol)) for protocol in WANTED}
    if not any(isinstance(routes, list) for routes in lists.values()):
        yield "the VirtualService has no http, tls or tcp routes"
    for protocol, routes in lists.items():
        if not isinstance(routes, list):
            continue
        if not all(map(_is_route, routes)):
            yield f"the VirtualService has {protocol} routes that are none"
            continue
        named = wanted.get(WANTED[protocol])
        fits = str if protocol == "http" else dict
        try:
            _check_routes(report, routes, [item for item in _list(named) if isinstance(item, fits)], protocol)
        except RollstepError as error:
            yield f"the VirtualService has unfit {protocol} routes: {error.findings[0].message}"


def _is_route(route: object) -> bool:
    """Tell whether a route is one by its types, which the router's own schema judges."""
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


def _check_routes(report: Report, routes: Sequence[Any], wanted: Sequence[Any], protocol: str) -> None:
    if wanted and not routes:
        raise refuse("", f"there are none, and {WANTED[protocol]} of the Rollout names some")
    for index in routes_to_weigh(routes, wanted, protocol, ""):
        check_shares(routes[index].get("route") or [], _destinations(report), "")
    managed = [part_of(route, ("name",)) for route in report.items(*ROUTING, "managedRoutes")]
    own = [route for route in routes if protocol != "http" or route.get("name") not in managed]
    if not wanted and len(own) > 1:
        raise refuse("", f"there are {len(own)}, and {WANTED[protocol]} of the Rollout does not say which get weights")


def _destinations(report: Report) -> Destinations:
    rule: Path = (*ISTIO, "destinationRule")
    ping_pong = report.mapping(*CANARY, "pingPong")
    return Destinations(
        stable_service=str(ping_pong.get("pingService") or report.text(*CANARY, "stableService")),
        canary_service=str(ping_pong.get("pongService") or report.text(*CANARY, "canaryService")),
        stable_subset=report.text(*rule, "stableSubsetName"),
        canary_subset=report.text(*rule, "canarySubsetName"),
        additional_subsets=(),
        has_rule=report.at(*rule) is not None,
    )


def _check_mesh_router(report: Report, router: Manifest) -> None:
    routes: Path = ("spec", "routes")
    found = part_of(router.body, routes)
    if not isinstance(found, list) or not found:
        report.add_at("RS320", router, routes, f"the VirtualRouter {router.name} has no routes")
        return
    for index, route in enumerate(found):
        kind = next((kind for kind in MESH_ROUTES if part_of(route, (kind,)) is not None), "")
        if not kind:
            message = f"{json.dumps(part_of(route, ('name',)))} is none of {', '.join(MESH_ROUTES)}"
            report.add_at("RS320", router, (*routes, index), message)
            return
        path: Path = (*routes, index, kind, "action", "weightedTargets")
        targets = part_of(router.body, path)
        if not isinstance(targets, list) or len(targets) != 2:
            count = len(targets) if isinstance(targets, list) else 0
            report.add_at(
                "RS320", router, path, f"has {count} weightedTargets, expected the stable one and the canary's"
            )
            return
