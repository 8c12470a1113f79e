"""The controller's validation of a canary's Services, its ``trafficRouting``, and the routers' objects.

Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation/validation.go`` and ``validation_references.go``.
"""

from __future__ import annotations

from collections.abc import Iterator

from renderer.kubernetes.manifest import Manifest, field_path
from renderer.rollouts.checks.references import Objects
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.controller.routers import ROUTERS, Router, router_for, routers_that
from renderer.rollouts.model.spec import CANARY, ROUTING

IGNORED_ROUTES = "ignored-routes"
"""The value of the setting ``allow`` for routes that a router ignores (argo-rollouts#2830)."""


def check_routing(report: Report) -> None:
    """Report invalid Services and ping-pong Services of the canary, and an invalid ``trafficRouting``."""
    _check_canary_services(report)
    _check_ping_pong(report)
    _check_settings(report)


def _check_canary_services(report: Report) -> None:
    stable, canary = report.text(*CANARY, "stableService"), report.text(*CANARY, "canaryService")
    if stable and stable == canary:
        message = f'"{stable}" is also the canaryService: two different Services are required'
        report.add("RS222", (*CANARY, "stableService"), message, field="spec.strategy.stableService")
    for name, router in routers_in(report).items():
        has_ping_pong = router.has_ping_pong and report.at(*CANARY, "pingPong") is not None
        if has_ping_pong or not router.needs_services(report.at(*ROUTING, name)):
            continue
        for key in ("stableService", "canaryService"):
            if not report.text(*CANARY, key):
                message = f"required: the router {name} shifts traffic between stableService and canaryService"
                report.add("RS221", (*CANARY, key), message, field=f"spec.strategy.{key}")
        break


def _check_ping_pong(report: Report) -> None:
    path: Path = (*CANARY, "pingPong")
    if report.at(*path) is None:
        return
    field = "spec.strategy.pingPong"
    routers = {name: router for name, router in routers_in(report).items() if router.has_ping_pong}
    if report.at(*ROUTING) is not None and not routers:
        able = " and ".join(routers_that(lambda router: router.has_ping_pong))
        message = f"ping-pong Services work with the routers {able} only"
        report.add("RS227", path, message, field="spec.strategy.trafficRouting.alb")
    ping, pong = report.text(*path, "pingService"), report.text(*path, "pongService")
    for key, name in (("pingService", ping), ("pongService", pong)):
        if not name:
            report.add("RS221", (*path, key), "required: ping-pong needs both Services", field=f"{field}.{key}")
    if ping and ping == pong:
        message = f'"{ping}" is also the pongService: two different Services are required'
        report.add("RS222", (*path, "pingService"), message, field=f"{field}.pingService")
    for name, router in routers.items():
        if router.root_service and not report.text(*ROUTING, name, router.root_service):
            root = (*ROUTING, name, router.root_service)
            field = f"spec.strategy.trafficRouting.{name}.{router.root_service}"
            report.add("RS227", root, f"required for ping-pong Services with {name}", field=field)


def _check_settings(report: Report) -> None:
    delay, dynamic = report.at(*CANARY, "scaleDownDelaySeconds"), report.at(*CANARY, "dynamicStableScale") is True
    if report.at(*ROUTING) is None:
        for key, is_set in (("scaleDownDelaySeconds", delay is not None), ("dynamicStableScale", dynamic)):
            if is_set:
                message = "can only be used with trafficRouting"
                report.add("RS225", (*CANARY, key), message, field=f"spec.strategy.{key}")
        return
    if delay is not None and dynamic:
        message = "cannot be used together with scaleDownDelaySeconds"
        report.add("RS225", (*CANARY, "dynamicStableScale"), message, field="spec.strategy.dynamicStableScale")
    weight = (*ROUTING, "maxTrafficWeight")
    routers = routers_in(report)
    able = [name for name, router in routers.items() if router.has_max_traffic_weight and _is_used(report, name)]
    if report.at(*weight) is not None and not able:
        message = f"is supported with {' and '.join(routers_that(lambda router: router.has_max_traffic_weight))} only"
        report.add("RS228", weight, message, field="spec.strategy.trafficRouting.maxTrafficWeight")
    else:
        _check_max_weight(report, weight)
    for name, router in routers.items():
        if router.one_or_several is not None:
            _check_one_of(report, name, *router.one_or_several)


def _is_used(report: Report, name: str) -> bool:
    """Return whether the controller counts a router of the Rollout: ``plugins: {}`` names no plugin."""
    return bool(report.at(*ROUTING, name)) or not router_for(name).plugin


def _check_max_weight(report: Report, path: Path) -> None:
    most = report.integer(*path)
    others = [name for name, router in routers_in(report).items() if not router.has_max_traffic_weight]
    if most not in (None, 100) and others:
        message = f"{most}, and weights of {' and '.join(others)} are out of 100"
        report.add("RS412", path, message, "write weights out of 100, or release with one of the routers")


def _check_one_of(report: Report, router: str, one: str, several: str) -> None:
    has_one, has_several = (report.at(*ROUTING, router, key) not in (None, "") for key in (one, several))
    if has_one == has_several:
        found = "both" if has_one else "neither"
        report.add("RS229", (*ROUTING, router), f"expected either {one} or {several}, found {found}")


def check_experiment_weights(report: Report, step: Path, field: str) -> None:
    """Report the weights of an experiment's templates without a router that supports them."""
    if any(_may_weigh(router) and _is_used(report, name) for name, router in routers_in(report).items()):
        return
    for index in range(len(report.items(*step, "experiment", "templates"))):
        path = (*step, "experiment", "templates", index, "weight")
        if report.at(*path) is not None:
            name = f"{field}.experiment.templates[{index}].weight"
            report.add("RS237", path, f"requires one of the routers {', '.join(routers_that(_may_weigh))}", field=name)


def _may_weigh(router: Router) -> bool:
    """Return whether the controller accepts weights of experiments with a router, which may be any plugin."""
    return router.weighs_experiments or bool(router.plugin)


def check_route(report: Report, step: Path, kind: str, field: str) -> None:
    """Report an invalid header or mirror route (``kind``); ``field`` is the controller's path of the step."""
    path, field = (*step, kind), f"{field}.{kind}"
    known = _check_routers(report, path, kind, field)
    name, managed = report.text(*path, "name"), report.at(*ROUTING, "managedRoutes")
    if report.at(*ROUTING) is not None and managed is None:
        message = f"required: {kind} names a route of it"
        report.add("RS235", (*ROUTING, "managedRoutes"), message, field="spec.strategy.trafficRouting.managedRoutes")
    elif managed is not None and name not in [route.get("name") for route in managed if isinstance(route, dict)]:
        report.add("RS235", path, f'trafficRouting.managedRoutes has no route "{name}"', field=field)
    routers = routers_in(report).values()
    values = [value for value in Router.header_values if all(value in router.header_values for router in routers)]
    for index in range(len(report.items(*path, "match")) if known or kind == "setMirrorRoute" else 0):
        for key in ("headerValue",) if kind == "setHeaderRoute" else ("method", "path"):
            value = report.at(*path, "match", index, key)
            if value is None and kind == "setMirrorRoute":
                continue
            given = [match for match in Router.header_values if report.text(*path, "match", index, key, match)]
            allowed = values if kind == "setHeaderRoute" else Router.header_values
            if len(given) != 1 or given[0] not in allowed:
                expected = f"one of {', '.join(allowed)}" if len(allowed) > 1 else allowed[0]
                message = f"{key}: expected {expected}, found {' and '.join(given) or 'none'}"
                report.add("RS236", (*path, "match", index, key), message, field=f"{field}.match[{index}]")


def _check_routers(report: Report, path: Path, kind: str, field: str) -> bool:
    """Report routers that ignore a step, unless allowed; return whether one of them adds the route."""
    routers = routers_in(report)
    unable = [name for name, router in routers.items() if not router.adds_routes(report.at(*ROUTING, name), kind)]
    known, allowed = len(unable) < len(routers), bool(routers) and IGNORED_ROUTES in report.allow
    hint = f"take the step out, or allow {IGNORED_ROUTES} in rollstep.yaml" if routers else ""
    for name in unable:
        if kind in routers[name].route_steps:
            hint = f"{routers[name].route_hint}, or {hint}"
    if allowed or (known and not unable):
        return known
    able = ", ".join(routers_that(lambda router: kind in router.route_steps))
    if known:
        message = f"the router {' and '.join(unable)} has no such routes and does nothing at this step"
        report.add("RS411", path, message, f"only {able} can; {hint}")
    else:
        report.add("RS234", path, f"{kind} requires one of the routers {able}", hint, field=field)
    return known


def routers_in(report: Report) -> dict[str, Router]:
    """Return the routers of the Rollout by name, in the order in which the controller serves them."""
    routing = report.mapping(*ROUTING)
    return {name: router_for(name) for name in ROUTERS if routing.get(name) is not None}


def check_router_objects(report: Report, objects: Objects) -> None:
    """Report objects of the routers among ``objects`` that cannot carry the weights."""

    def lookup(group: str, kind: str, name: object, namespace: str) -> Iterator[Manifest]:
        wanted = namespace or report.rollout.namespace
        for manifest in objects.named((group, kind), name) if isinstance(name, str) and name else ():
            if (manifest.namespace or wanted) == wanted:
                yield manifest

    for router in routers_in(report).values():
        for path, message, hint, manifest in router.object_problems(report.at(*CANARY), lookup):
            # Kubernetes' name of the Rollout's field has no index, even where there are several.
            field = "" if manifest else field_path(tuple(part for part in path if isinstance(part, str)))
            report.add("RS320" if manifest else "RS319", path, message, hint, field=field, manifest=manifest)
