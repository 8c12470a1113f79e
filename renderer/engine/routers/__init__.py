"""One module a traffic router; each says which objects it needs and what they look like at given weights.

A module has its router as ``ROUTER``.  A router reads and writes ``ctx.world`` through the context alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from renderer.engine.context import Context
from renderer.errors import Finding, RollstepError
from renderer.manifest import Body, ObjectKey
from renderer.model import Rollout, TrafficRouting

MODULES: Mapping[str, str] = {"nginx": "renderer.engine.routers.nginx"}
"""The module of each router, under its name in ``trafficRouting``."""


class Router:
    """What a router can do; what it does not override, it has no need of."""

    def required_objects(self, rollout: Rollout) -> tuple[tuple[ObjectKey, str], ...]:
        """Return the user's objects that the router reads or edits, each with the field that names it."""
        raise NotImplementedError

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        """Return the objects that exist because of the router alone."""
        return ()

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        """Return a user's object with the fields that the router owns as they were last rendered."""
        return wanted

    def update_hash(self, ctx: Context, canary_hash: str, stable_hash: str) -> None:
        """Tell the router which ReplicaSets are canary and stable, for those that select pods themselves."""

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Bring the router's objects to ``weight`` (out of ``maxTrafficWeight``) for the canary."""
        raise NotImplementedError


def supported_routers() -> tuple[str, ...]:
    """Return the names of the routers that there is a module for."""
    return tuple(MODULES)


def router_for(name: str) -> Router:
    """Return the router of that name, as ``trafficRouting`` spells it."""
    router: Router = import_module(MODULES[name]).ROUTER
    return router


def traffic_routing(rollout: Rollout) -> TrafficRouting:
    """Return ``trafficRouting`` of a Rollout that has it."""
    assert rollout.canary is not None
    assert rollout.canary.traffic_routing is not None
    return rollout.canary.traffic_routing


def required(ctx: Context, key: ObjectKey, field: str) -> Body:
    """Return an object that ``field`` names; raise :class:`RollstepError` where it is not there."""
    body = ctx.world.objects.get(key)
    if body is None:
        hint = f"add the {key.kind} to the app's manifests"
        raise RollstepError([Finding("", 0, 0, field, f'{key.kind} "{key.name}" not found', hint)])
    return body
