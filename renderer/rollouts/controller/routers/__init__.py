"""Traffic routers, a module each: what a router can do, which objects it needs, and their content at each weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module

from renderer.rollouts.controller.routers.router import Router
from renderer.rollouts.model.rollout import Rollout

__all__ = ["ROUTERS", "Router", "router_for", "routers_of", "routers_that"]

ROUTERS: Mapping[str, str] = {
    "istio": "istio",
    "nginx": "nginx",
    "alb": "alb",
    "smi": "smi",
    "ambassador": "ambassador",
    "appMesh": "app_mesh",
    "traefik": "traefik",
    "apisix": "apisix",
    "plugins": "gateway_api",
}
"""The module of each router by its field in ``trafficRouting``, in the order in which the controller serves them.

A module has its router as ``ROUTER``.
"""


@cache
def router_for(name: str) -> Router:
    """Return the router of that name, as ``trafficRouting`` spells it."""
    router: Router = import_module(f"{__name__}.{ROUTERS[name]}").ROUTER
    return router


def routers_of(rollout: Rollout) -> dict[str, Router]:
    """Return the routers of a Rollout by name, in the order in which the controller serves them."""
    routing = rollout.canary.traffic_routing if rollout.canary is not None else None
    if routing is None:
        return {}
    return {name: router_for(name) for name in ROUTERS if name in routing.routers}


def routers_that(can: Callable[[Router], object]) -> tuple[str, ...]:
    """Return the names of all routers for which ``can`` is true."""
    return tuple(name for name in ROUTERS if can(router_for(name)))
