"""From one router to another (pure): the new one's objects beside the old one's, and later the old one's end.

While both are in ``trafficRouting`` the engine serves both, so their weights are equal at every step.  What is moved
from is nginx, what is moved to the Gateway API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey, field_path, mapping
from renderer.pipeline.resolve.commit_content import moved
from renderer.pipeline.resolve.http_routes import Conversion, Gateway, converted, leads_to
from renderer.pipeline.resolve.moves import Move, is_between_phases, react
from renderer.rollouts.actions import patch
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.controller.routers.gateway_config import GROUP, PATH, PLUGIN, plugin_section, route_refs
from renderer.rollouts.model.spec import CanaryStrategy, TrafficRouting
from renderer.rollouts.model.world import World

GATEWAY_API = "gateway-api"
NGINX = "nginx"
ROUTING = ("spec", "strategy", "canary", "trafficRouting")
Verb = Callable[[World], Move | None]


def beginning(gateway: Gateway, *, allow_differences: bool, told: list[str]) -> Verb:
    """Return the verb that puts HTTPRoutes beside the Ingresses, at the weights of the step that the release is at.

    What to know of the routes is added to ``told``.  The verb raises RollstepError with all that stands against it,
    differences between the routes and the Ingresses among it unless they are allowed.
    """

    def verb(world: World) -> Move | None:
        _refuse(_hindrances(world))
        made = _conversion(world, gateway)
        differences = _differences(world, made)
        if differences and not allow_differences:
            hint = "see to it, and go on with --allow-differences"
            _refuse(Finding("", 0, 0, field_path((*ROUTING, NGINX)), text, hint) for text in differences)
        told.extend(f"{world.rollout.name}: {text}" for text in (*differences, *made.notes))
        added = {_key(world, route): route for route in made.routes}
        taken = [key for key in added if key in world.objects]
        _refuse(_found(ROUTING, f"there is an HTTPRoute {key.name} already", "name it there") for key in taken)
        names = [route["metadata"]["name"] for route in made.routes]
        chosen: Body = {"httpRoute": names[0]} if len(names) == 1 else {"httpRoutes": [_named(name) for name in names]}
        after = patch(world, _routing({"plugins": {PLUGIN: chosen}}))
        move = _move(world, replace(after, objects={**world.objects, **added}))
        return None if move is None else replace(move, added=added)

    return verb


def finishing(world: World) -> Move | None:
    """Take the Ingresses away, where the routes lead to all that they lead to.

    Raises RollstepError with all that stands against it.
    """
    routing = _traffic_routing(world)
    if NGINX not in routing.routers or "plugins" not in routing.routers:
        there = ", ".join(routing.routers) or "none"
        hint = f"`rollstep migrate {GATEWAY_API} APP --gateway NAME` puts HTTPRoutes beside the Ingresses first"
        _refuse([_found(ROUTING, f"nginx and the Gateway API have to be there, found {there}", hint)])
    _refuse(_unfinished(world))
    refs = route_refs(plugin_section(routing.body.get("plugins")))
    names = {ref.name for ref in refs if ref.kind == "HTTPRoute"}
    routes = [body for key, body in world.objects.items() if key.kind == "HTTPRoute" and key.name in names]
    reached = {place for route in routes for place in leads_to(route)}
    missing = {place for route in _conversion(world, Gateway("")).routes for place in leads_to(route)} - reached
    hint = "add a rule to a route of the release, or take the path out of the Ingress"
    _refuse(
        _found((*PATH,), f"no route leads to {host or 'all hosts'}{path} ({kind}), and the Ingress does", hint)
        for host, kind, path in sorted(missing)
    )
    router = router_for(NGINX)
    gone = {*router.created_objects(world.rollout), *_ingresses(world)}
    after = patch(world, _routing({NGINX: None}))
    return _move(world, replace(after, objects={key: body for key, body in world.objects.items() if key not in gone}))


MIGRATIONS = {GATEWAY_API: (beginning, finishing)}
"""The verbs that begin and finish the move to a router."""


def _move(world: World, acted: World) -> Move | None:
    move = replace(react(acted, since=acted), before=world)
    return move if moved(world, move.after) else None


def _hindrances(world: World) -> Iterator[Finding]:
    """Yield what keeps an app from having both routers."""
    routing = _traffic_routing(world)
    if NGINX not in routing.routers:
        there = ", ".join(routing.routers)
        hint = "put the new router's objects beside the old one's by hand: rollstep keeps the weights of both equal"
        yield _found(ROUTING, f"nginx is what can be moved from, found {there}", hint)
        return
    if "plugins" in routing.routers:
        hint = f"`rollstep migrate {GATEWAY_API} APP --finish` takes the Ingresses away"
        yield _found((*ROUTING, "plugins"), "is there already", hint)
    canary = world.rollout.canary
    for index, step in enumerate(canary.steps if canary is not None else ()):
        if step.kind in ("setHeaderRoute", "setMirrorRoute"):
            path = ("spec", "strategy", "canary", "steps", index, step.kind)
            yield _found(path, "does nothing with nginx, and would with a route", "take the step out first")
    yield from _unfinished(world)


def _unfinished(world: World) -> Iterator[Finding]:
    if world.in_phases and world.status.stable_rs and is_between_phases(world):
        yield Finding("", 0, 0, "", "the last step is half done", "finish it first with `rollstep advance`")


def _conversion(world: World, gateway: Gateway) -> Conversion:
    """Return the routes of all stable Ingresses."""
    canary = world.rollout.canary
    assert canary is not None
    made = Conversion()
    for key in _ingresses(world):
        body = world.objects[key]
        one = converted(body, canary.stable_service, canary.canary_service, gateway, _port_of(world))
        made.routes += one.routes
        made.differences += [f"Ingress {key.name}: {text}" for text in one.differences]
        made.notes += [f"Ingress {key.name}: {text}" for text in one.notes]
    return made


def _differences(world: World, made: Conversion) -> list[str]:
    """Return what the routes do not do, with what the Rollout asks of its canary Ingresses alone."""
    own = world.rollout.routing.section(NGINX)
    added = {**mapping(own, "additionalIngressAnnotations"), **mapping(own, "canaryIngressAnnotations")}
    names = sorted(str(key).rpartition("/")[2] for key in added)
    told = [f"no route does what {name} does for the canary" for name in names]
    return [*made.differences, *told]


def _port_of(world: World) -> Callable[[str, Any], int | None]:
    def number(service: str, name: Any) -> int | None:
        body = world.service(service)
        ports = mapping(body, "spec").get("ports") or () if body is not None else ()
        return next((int(port["port"]) for port in ports if port.get("name") == name), None)

    return number


def _ingresses(world: World) -> list[ObjectKey]:
    found = [named.keys[0] for named in router_for(NGINX).named_objects(world.rollout)]
    return [key for key in found if key in world.objects]


def _key(world: World, route: Body) -> ObjectKey:
    return ObjectKey(GROUP, "HTTPRoute", world.rollout.namespace, str(route["metadata"]["name"]))


def _named(name: str) -> Body:
    return {"name": name, "useHeaderRoutes": True}


def _routing(routers: Mapping[str, Any]) -> Body:
    """Return the merge patch that changes routers of the Rollout."""
    return {"spec": {"strategy": {"canary": {"trafficRouting": routers}}}}


def _traffic_routing(world: World) -> TrafficRouting:
    strategy = world.rollout.strategy
    routing = strategy.traffic_routing if isinstance(strategy, CanaryStrategy) else None
    if routing is None:
        hint = "only a canary whose traffic a router splits has a router to move from"
        raise RollstepError([_found(("spec", "strategy"), "has no trafficRouting", hint)])
    return routing


def _found(path: tuple[str | int, ...], message: str, hint: str) -> Finding:
    return Finding("", 0, 0, field_path(path), message, hint)


def _refuse(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if found:
        raise RollstepError(found)
