"""One module a traffic router; each says which objects it needs and what they look like at given weights.

A router is a module with the functions of :class:`Router`.  It reads and writes ``ctx.world`` through the context alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from renderer.engine.context import Context
from renderer.manifest import Body, ObjectKey
from renderer.model import Rollout


class Router(Protocol):
    """What every module in this package provides."""

    def set_weight(self, ctx: Context, weight: int, canary_hash: str, stable_hash: str) -> None:
        """Bring the router's objects to ``weight`` (out of ``maxTrafficWeight``) for the canary."""

    def required_objects(self, rollout: Rollout) -> tuple[tuple[ObjectKey, str], ...]:
        """Return the user's objects that the router reads or edits, each with the field that names it."""

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        """Return the objects that exist because of the router alone."""

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        """Return a user's object with the fields that the router owns as they were last rendered."""


def supported_routers() -> tuple[str, ...]:
    """Return the names of the routers that there is a module for."""
    return tuple(_MODULES)


_MODULES: Mapping[str, str] = {"nginx": "renderer.engine.routers.nginx"}


def router_for(name: str) -> Router:
    """Return the router of that name, as ``trafficRouting`` spells it."""
    from importlib import import_module

    router: Router = import_module(_MODULES[name])  # type: ignore[assignment]  # a module has the protocol's functions
    return router
