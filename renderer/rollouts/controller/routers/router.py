"""The interface of a traffic router, and what the routers share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, field_path
from renderer.rollouts.controller.context import Context
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import ROUTING, Path
from renderer.rollouts.model.world import SIMULATED, World

Lookup = Callable[[str, str, object, str], Iterable[Manifest]]
"""Manifests by API group, kind, name and namespace; an empty namespace is that of the Rollout."""


class NamedObject(Struct, frozen=True):
    """An object that the Rollout names in ``field``.

    ``keys`` are its possible identities: a router may have changed its API group over time.  ``reading`` says how its
    name was read, if not as it is.
    """

    keys: tuple[ObjectKey, ...]
    field: str
    reading: str = ""


class Problem(NamedTuple):
    """An error at ``path`` of ``manifest``, of the Rollout where that is None."""

    path: Path
    message: str
    hint: str = ""
    manifest: Manifest | None = None


class Router:
    """A traffic router: its abilities, the objects it needs, and their content at each weight.

    The defaults are those of a router that shifts weights out of 100 between two Services and can do nothing else.
    A router reads and writes ``ctx.world`` through the context alone.
    """

    plugin = ""
    """The plugin that the module reproduces, by its name in ``trafficRouting.plugins``."""
    unsupported = ""
    """The reason why the engine refuses the router."""
    route_steps: tuple[str, ...] = ()
    """The kinds of steps that add a route of ``managedRoutes``; at the others the router does nothing."""
    route_hint = ""
    """The hint where the router's section excludes such routes."""
    header_values: tuple[str, ...] = ("exact", "regex", "prefix")
    """The kinds of header values that it matches."""
    has_max_traffic_weight = False
    """True if weights may be out of ``maxTrafficWeight``."""
    has_ping_pong = False
    """True if it takes ping-pong Services."""
    root_service = ""
    """The field with the Service that the Ingress names; ping-pong Services require it."""
    weighs_experiments = False
    """True if it can give the templates of an experiment weight."""
    one_or_several: tuple[str, str] | None = None
    """Two fields, for one object and for several, of which exactly one must be set."""
    names_ingresses = False
    """True if ``one_or_several`` name Ingresses."""

    def needs_services(self, section: Any) -> bool:
        """Return whether its ``section`` of ``trafficRouting`` requires ``stableService`` and ``canaryService``."""
        return True

    def adds_routes(self, section: Any, kind: str) -> bool:
        """Return whether a step of this kind adds a route."""
        return kind in self.route_steps

    def problems(self, section: Any) -> Iterator[Problem]:
        """Yield what the CRD cannot refuse in its ``section`` of ``trafficRouting``."""
        return iter(())

    def object_problems(self, canary: Any, lookup: Lookup) -> Iterator[Problem]:
        """Yield why its objects cannot carry the weights; ``canary`` is ``spec.strategy.canary`` as read."""
        return iter(())

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        """Return the user's objects that the router reads or edits."""
        return ()

    def selected_objects(self, rollout: Rollout, objects: Mapping[ObjectKey, Body]) -> tuple[ObjectKey, ...]:
        """Return those of the user's ``objects`` that the router edits because of their labels."""
        return ()

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        """Return the objects that exist because of the router alone."""
        return ()

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        """Return the user's object ``wanted`` with the router's own fields as in ``rendered``."""
        return wanted

    def selected_hashes(self, world: World) -> tuple[str, ...]:
        """Return the pod-template-hashes that its objects select."""
        return ()

    def remove_managed_routes(self, ctx: Context) -> None:
        """Remove the routes for headers and mirrors."""

    def set_header_route(self, ctx: Context, route: Body) -> None:
        """Send requests with certain headers to the canary; without a match, remove the route."""

    def set_mirror_route(self, ctx: Context, route: Body) -> None:
        """Send a copy of some requests to the canary; without a match, remove the route."""

    def update_hash(self, ctx: Context, canary_hash: str, stable_hash: str) -> None:
        """Select the canary's and the stable ReplicaSet, for routers that select pods themselves."""

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Write the canary's ``weight``, out of ``maxTrafficWeight``, into the router's objects."""
        raise NotImplementedError


def find_object(ctx: Context, named: NamedObject) -> tuple[ObjectKey, Body]:
    """Return an object that the Rollout names; raise ``RollstepError`` where it is missing."""
    for key in named.keys:
        body = ctx.world.objects.get(key)
        if body is not None:
            return key, body
    kind, name = named.keys[0].kind, named.keys[0].name
    hint = f"add the {kind} to the app's manifests"
    raise refusal(named.field, f'{kind} "{name}" not found', f"{named.reading}; {hint}" if named.reading else hint)


def refusal(field: str, message: str, hint: str = "") -> RollstepError:
    """Return the error for the value at ``field``."""
    return RollstepError([Finding("", 0, 0, field, message, hint)])


def own_namespaces(namespace: str, found: Iterable[str]) -> frozenset[str]:
    """Return the namespaces by which a router's object means those of the Rollout's Services.

    ``namespace`` is the Rollout's; ``found`` has those of the backends with the name of one of its Services.  A Rollout
    without a namespace leaves it to the sync tool.  Its backends are then those without one, or, if all of them name
    the same, those.
    """
    named = frozenset(found)
    if namespace == SIMULATED:
        return named | {namespace}
    return named if not namespace and len(named) == 1 else frozenset([namespace])


def once(field: str, what: str, names: Iterable[str], services: Collection[str]) -> None:
    """Raise RollstepError if one of ``services`` is there twice among the ``names`` of backends that share requests."""
    listed = list(names)
    for name in services:
        if name and listed.count(name) > 1:
            message = f"{what} has {listed.count(name)} backends {name}, and each would get the weight"
            raise refusal(
                field, message, "name a Service once where weights are shared: give another port its own rule"
            )


def named_items(section: Body, one: str, several: str) -> list[tuple[Path, Any]]:
    """Return the item of the field ``one``, or those of the list ``several`` if given, each with its path."""
    items = section.get(several)
    if items is None:
        return [((one,), section.get(one))]
    return [((several, index), item) for index, item in enumerate(items)]


def named_ingresses(rollout: Rollout, router: str, one: str, several: str) -> tuple[NamedObject, ...]:
    """Return the Ingresses named in the router's field ``one`` or ``several``."""
    return tuple(
        NamedObject(
            (ObjectKey("networking.k8s.io", "Ingress", rollout.namespace, str(name or "")),),
            field_path((*ROUTING, router, *path)),
        )
        for path, name in named_items(rollout.routing.section(router), one, several)
    )
