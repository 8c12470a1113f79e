"""From nginx to the Gateway API: first HTTPRoutes beside the Ingresses, later the removal of the Ingresses.

The engine serves all routers of ``trafficRouting``, so the weights of both are equal at every step in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey, field_path, mapping
from renderer.pipeline.resolve.http_routes import Conversion, Gateway, Port, convert_ingress, route_matches
from renderer.pipeline.resolve.moves import Move, is_between_phases, react
from renderer.pipeline.resolve.verb_moves import Verb
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts.actions import patch
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.controller.routers.gateway_config import GROUP, PATH, PLUGIN, plugin_section, route_refs
from renderer.rollouts.model.spec import TrafficRouting
from renderer.rollouts.model.world import World

GATEWAY_API = "gateway-api"
NGINX = "nginx"
ROUTING = ("spec", "strategy", "canary", "trafficRouting")


def beginning(gateway: Gateway, *, allow_differences: bool, notes: list[str]) -> Verb:
    """Return the verb that adds HTTPRoutes beside the Ingresses, with the weights of the current step.

    The verb appends notes about the routes to ``notes``.  It raises RollstepError with everything that prevents the
    migration, including differences between the routes and the Ingresses unless they are allowed.
    """

    def verb(world: World) -> Move | None:
        world = with_running_template(world)
        _refuse(_hindrances(world))
        conversion = _conversion(world, gateway)
        differences = _differences(world, conversion)
        if differences and not allow_differences:
            hint = "take care of it in the Gateway or the route, then repeat with --allow-differences"
            _refuse(_found((*ROUTING, NGINX), text, hint) for text in differences)
        notes.extend(f"{world.rollout.name}: {text}" for text in (*differences, *conversion.notes))
        names = [str(route["metadata"]["name"]) for route in conversion.routes]
        keys = [ObjectKey(GROUP, "HTTPRoute", world.rollout.namespace, name) for name in names]
        hint = "add it to trafficRouting.plugins by hand"
        taken = (key.name for key in keys if key in world.objects)
        _refuse(_found(ROUTING, f"the HTTPRoute {name} already exists", hint) for name in taken)
        added = dict(zip(keys, conversion.routes, strict=True))
        refs = [{"name": name, "useHeaderRoutes": True} for name in names]
        plugin: Body = {"httpRoute": names[0]} if len(names) == 1 else {"httpRoutes": refs}
        after = _with_routers(world, {"plugins": {PLUGIN: plugin}})
        move = _move(world, replace(after, objects={**world.objects, **added}))
        return None if move is None else replace(move, added=added)

    return verb


def finishing(world: World) -> Move | None:
    """Remove the Ingresses; raise RollstepError unless the routes match everything that the Ingresses match."""
    world = with_running_template(world)
    routing = _traffic_routing(world)
    if NGINX not in routing.routers or "plugins" not in routing.routers:
        found = ", ".join(routing.routers) or "none"
        hint = f"`rollstep migrate {GATEWAY_API} APP --gateway NAME` adds HTTPRoutes beside the Ingresses first"
        _refuse([_found(ROUTING, f"requires nginx and the Gateway API, found {found}", hint)])
    _refuse(_unfinished(world))
    refs = route_refs(plugin_section(routing.body.get("plugins")))
    names = {ref.name for ref in refs if ref.kind == "HTTPRoute"}
    routes = [body for key, body in world.objects.items() if key.kind == "HTTPRoute" and key.name in names]
    matched = {match for route in routes for match in route_matches(route)}
    wanted = {match for route in _conversion(world, Gateway("")).routes for match in route_matches(route)}
    hint = "add a rule to a route of the release, or remove the path from the Ingress"
    _refuse(
        _found(PATH, f"no route matches {host or 'all hosts'}{path} ({kind}), but the Ingress does", hint)
        for host, kind, path in sorted(wanted - matched)
    )
    removed = {*router_for(NGINX).created_objects(world.rollout), *_ingresses(world)}
    after = _with_routers(world, {NGINX: None})
    left = {key: body for key, body in world.objects.items() if key not in removed}
    return _move(world, replace(after, objects=left))


MIGRATIONS = {GATEWAY_API: (beginning, finishing)}
"""The verbs that begin and finish the migration to a router."""


def _move(world: World, acted: World) -> Move | None:
    move = replace(react(acted, since=acted), before=world)
    return None if move.is_empty else move


def _hindrances(world: World) -> Iterator[Finding]:
    routing = _traffic_routing(world)
    if NGINX not in routing.routers:
        message = f"rollstep migrates from nginx only, found {', '.join(routing.routers)}"
        hint = "add the new router's objects by hand: rollstep keeps the weights of both equal"
        yield _found(ROUTING, message, hint)
        return
    if "plugins" in routing.routers:
        hint = f"`rollstep migrate {GATEWAY_API} APP --finish` removes the Ingresses"
        yield _found((*ROUTING, "plugins"), "already exists", hint)
    canary = world.rollout.canary
    for index, step in enumerate(canary.steps if canary is not None else ()):
        for kind in step.routes:
            path = ("spec", "strategy", "canary", "steps", index, kind)
            yield _found(path, "has no effect with nginx, and would have one with a route", "remove the step first")
    yield from _unfinished(world)


def _unfinished(world: World) -> Iterator[Finding]:
    if world.in_phases and world.status.stable_rs and is_between_phases(world):
        yield Finding("", 0, 0, "", "the last step is half done", "finish it first with `rollstep advance`")


def _conversion(world: World, gateway: Gateway) -> Conversion:
    """Return the routes of all stable Ingresses."""
    canary = world.rollout.canary
    assert canary is not None
    found = Conversion()
    for key in _ingresses(world):
        body = world.objects[key]
        one = convert_ingress(body, canary.stable_service, canary.canary_service, gateway, _port_of(world))
        found.routes += one.routes
        found.differences += [f"Ingress {key.name}: {text}" for text in one.differences]
        found.notes += [f"Ingress {key.name}: {text}" for text in one.notes]
    return found


def _differences(world: World, conversion: Conversion) -> list[str]:
    """Return what the routes lack, including the annotations that the Rollout adds to its canary Ingresses."""
    own = world.rollout.routing.section(NGINX)
    added = {**mapping(own, "additionalIngressAnnotations"), **mapping(own, "canaryIngressAnnotations")}
    names = sorted(str(key).rpartition("/")[2] for key in added)
    return [*conversion.differences, *(f"no route does what {name} does for the canary" for name in names)]


def _port_of(world: World) -> Port:
    def number(service: str, name: Any) -> int | None:
        ports = mapping(world.service(service), "spec").get("ports") or ()
        return next((int(port["port"]) for port in ports if port.get("name") == name), None)

    return number


def _ingresses(world: World) -> list[ObjectKey]:
    found = [named.keys[0] for named in router_for(NGINX).named_objects(world.rollout)]
    return [key for key in found if key in world.objects]


def _with_routers(world: World, routers: Mapping[str, Any]) -> World:
    """Return the world with a merge patch of the Rollout's ``trafficRouting``."""
    return patch(world, {"spec": {"strategy": {"canary": {"trafficRouting": routers}}}})


def _traffic_routing(world: World) -> TrafficRouting:
    canary = world.rollout.canary
    if canary is None or canary.traffic_routing is None:
        hint = "only a canary whose traffic a router splits has a router to move from"
        raise RollstepError([_found(("spec", "strategy"), "has no trafficRouting", hint)])
    return canary.traffic_routing


def _found(path: tuple[str | int, ...], message: str, hint: str) -> Finding:
    return Finding("", 0, 0, field_path(path), message, hint)


def _refuse(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if found:
        raise RollstepError(found)
