"""AWS App Mesh: the engine refuses it, and the controller's validation of its VirtualRouter is reproduced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from renderer.kubernetes.manifest import Manifest, mapping
from renderer.rollouts.controller.routers.router import Lookup, Problem, Router
from renderer.rollouts.model.spec import Path

GROUP = "appmesh.k8s.aws"
ROUTE_KINDS = ("grpcRoute", "http2Route", "httpRoute", "tcpRoute")
ROUTES: Path = ("spec", "routes")


class AppMeshRouter(Router):
    """The router for ``trafficRouting.appMesh``."""

    unsupported = "AWS has shut down App Mesh"

    def object_problems(self, canary: Any, lookup: Lookup) -> Iterator[Problem]:
        """Yield why the VirtualRouter behind the VirtualService cannot carry the weights."""
        name = mapping(canary, "trafficRouting", "appMesh", "virtualService").get("name")
        for service in lookup(GROUP, "VirtualService", name, ""):
            provider = mapping(service.body, "spec", "provider", "virtualRouter", "virtualRouterRef")
            for router in lookup(GROUP, "VirtualRouter", provider.get("name"), ""):
                yield from _router_problems(router)


def _router_problems(router: Manifest) -> Iterator[Problem]:
    routes = mapping(router.body, "spec").get("routes")
    if not isinstance(routes, list) or not routes:
        yield Problem(ROUTES, f"the VirtualRouter {router.name} has no routes", manifest=router)
        return
    for index, route in enumerate(routes):
        kind = next((kind for kind in ROUTE_KINDS if mapping(route).get(kind) is not None), "")
        if not kind:
            message = f"{json.dumps(mapping(route).get('name'))} is not one of {', '.join(ROUTE_KINDS)}"
            yield Problem((*ROUTES, index), message, manifest=router)
            return
        path: Path = (*ROUTES, index, kind, "action", "weightedTargets")
        targets = mapping(route, kind, "action").get("weightedTargets")
        if not isinstance(targets, list) or len(targets) != 2:
            count = len(targets) if isinstance(targets, list) else 0
            message = f"has {count} weightedTargets, expected two, stable and canary"
            yield Problem(path, message, manifest=router)
            return


ROUTER = AppMeshRouter()
