"""One module a traffic router; each says which objects it needs and what they look like at given weights.

A module has its router as ``ROUTER``.  A router reads and writes ``ctx.world`` through the context alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.context import Context
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import TrafficRouting

MODULES: Mapping[str, str] = {
    "istio": "renderer.rollouts.controller.routers.istio",
    "nginx": "renderer.rollouts.controller.routers.nginx",
    "alb": "renderer.rollouts.controller.routers.alb",
    "smi": "renderer.rollouts.controller.routers.smi",
    "ambassador": "renderer.rollouts.controller.routers.ambassador",
    "traefik": "renderer.rollouts.controller.routers.traefik",
    "apisix": "renderer.rollouts.controller.routers.apisix",
    "plugins": "renderer.rollouts.controller.routers.gateway_api",
}
"""The module of each router, under its name in ``trafficRouting``."""


class NamedObject(Struct, frozen=True):
    """An object that the Rollout names in ``field``.

    ``keys`` are its possible identities: a router may have changed its API group over time.
    """

    keys: tuple[ObjectKey, ...]
    field: str


class Router:
    """What a router can do; what it does not override, it has no need of."""

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        """Return the user's objects that the router reads or edits."""
        raise NotImplementedError

    def selected_objects(self, rollout: Rollout, objects: Mapping[ObjectKey, Body]) -> tuple[ObjectKey, ...]:
        """Return those of the user's ``objects`` that the router edits because of their labels."""
        return ()

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        """Return the objects that exist because of the router alone."""
        return ()

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        """Return a user's object with the fields that the router owns as they were last rendered."""
        return wanted

    def remove_managed_routes(self, ctx: Context) -> None:
        """Take away the routes for headers and mirrors."""

    def set_header_route(self, ctx: Context, route: Body) -> None:
        """Send requests with certain headers to the canary."""

    def set_mirror_route(self, ctx: Context, route: Body) -> None:
        """Send a copy of some requests to the canary."""

    def update_hash(self, ctx: Context, canary_hash: str, stable_hash: str) -> None:
        """Tell the router which ReplicaSets are canary and stable, for those that select pods themselves."""

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Bring the router's objects to ``weight`` (out of ``maxTrafficWeight``) for the canary."""
        raise NotImplementedError


def supported_routers() -> tuple[str, ...]:
    """Return the names of the routers that there is a module for."""
    return tuple(MODULES)


@cache
def router_for(name: str) -> Router:
    """Return the router of that name, as ``trafficRouting`` spells it."""
    router: Router = import_module(MODULES[name]).ROUTER
    return router


def traffic_routing(rollout: Rollout) -> TrafficRouting:
    """Return ``trafficRouting`` of a Rollout that has it."""
    assert rollout.canary is not None
    assert rollout.canary.traffic_routing is not None
    return rollout.canary.traffic_routing


def section(rollout: Rollout, router: str) -> Body:
    """Return the router's own part of ``trafficRouting``."""
    value: Any = traffic_routing(rollout).body.get(router)
    return value if isinstance(value, dict) else {}


def services(rollout: Rollout) -> tuple[str, str]:
    """Return (stable Service, canary Service)."""
    assert rollout.canary is not None
    return rollout.canary.stable_service, rollout.canary.canary_service


def find(ctx: Context, named: NamedObject) -> tuple[ObjectKey, Body]:
    """Return an object that the Rollout names; raise ``RollstepError`` where it is not there."""
    for key in named.keys:
        body = ctx.world.objects.get(key)
        if body is not None:
            return key, body
    kind, name = named.keys[0].kind, named.keys[0].name
    hint = f"add the {kind} to the app's manifests"
    raise RollstepError([Finding("", 0, 0, named.field, f'{kind} "{name}" not found', hint)])


def refuse(field: str, message: str, hint: str = "") -> RollstepError:
    """Return the refusal of what the user has at ``field``."""
    return RollstepError([Finding("", 0, 0, field, message, hint)])
