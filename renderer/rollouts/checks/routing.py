"""The controller's validation of a canary's Services and of how its traffic is routed (pure)."""

from __future__ import annotations

from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.controller.routers.gateway_config import PLUGIN, WITH_HEADERS, plugin_section, route_refs
from renderer.rollouts.model.spec import ROUTERS

CANARY: Path = ("spec", "strategy", "canary")
ROUTING: Path = (*CANARY, "trafficRouting")

NEED_SERVICES = ("alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik")
HEADER_ROUTERS = ("istio", "alb", "apisix", "plugins")
EXPERIMENT_ROUTERS = ("smi", "alb", "istio", "plugins")
ROUTE_STEPS = {"setHeaderRoute": HEADER_ROUTERS, "setMirrorRoute": ("istio",)}
"""The routers that know a step; the others do nothing at it, and say nothing of it (argo-rollouts#2830)."""
IGNORED_ROUTES = "ignored-routes"
"""What the setting ``allow`` calls such a step."""


def check_routing(report: Report) -> None:
    """Report what is wrong with the canary's Services, its ping-pong Services, and its ``trafficRouting``."""
    _check_canary_services(report)
    _check_ping_pong(report)
    _check_settings(report)


def _check_canary_services(report: Report) -> None:
    stable, canary = report.text(*CANARY, "stableService"), report.text(*CANARY, "canaryService")
    if stable and stable == canary:
        message = f'"{stable}" is also the canaryService: two different Services are required'
        report.add("RS222", (*CANARY, "stableService"), message, field="spec.strategy.stableService")
    for router in (*NEED_SERVICES, "plugins"):
        body = report.at(*ROUTING, router)
        has_subsets = router == "istio" and report.at(*ROUTING, router, "destinationRule") is not None
        has_ping_pong = router in ("alb", "istio") and report.at(*CANARY, "pingPong") is not None
        if body is None or has_subsets or has_ping_pong:
            continue
        for key in ("stableService", "canaryService"):
            if not report.text(*CANARY, key):
                message = f"required: the router {router} shifts traffic between stableService and canaryService"
                report.add("RS221", (*CANARY, key), message, field=f"spec.strategy.{key}")
        break


def _check_ping_pong(report: Report) -> None:
    path: Path = (*CANARY, "pingPong")
    if report.at(*path) is None:
        return
    field = "spec.strategy.pingPong"
    routing = report.at(*ROUTING)
    if routing is not None and report.at(*ROUTING, "alb") is None and report.at(*ROUTING, "istio") is None:
        message = "ping-pong Services work with the routers alb and istio only"
        report.add("RS227", path, message, field="spec.strategy.trafficRouting.alb")
    ping, pong = report.text(*path, "pingService"), report.text(*path, "pongService")
    for key, name in (("pingService", ping), ("pongService", pong)):
        if not name:
            report.add("RS221", (*path, key), "required: ping-pong needs both Services", field=f"{field}.{key}")
    if ping and ping == pong:
        message = f'"{ping}" is also the pongService: two different Services are required'
        report.add("RS222", (*path, "pingService"), message, field=f"{field}.pingService")
    if report.at(*ROUTING, "alb") is not None and not report.text(*ROUTING, "alb", "rootService"):
        message = "required for ping-pong Services with alb"
        report.add(
            "RS227", (*ROUTING, "alb", "rootService"), message, field="spec.strategy.trafficRouting.alb.rootService"
        )


def _check_settings(report: Report) -> None:
    delay, dynamic = report.at(*CANARY, "scaleDownDelaySeconds"), report.at(*CANARY, "dynamicStableScale") is True
    if report.at(*ROUTING) is None:
        if delay is not None:
            message = "can only be used with trafficRouting"
            report.add(
                "RS225", (*CANARY, "scaleDownDelaySeconds"), message, field="spec.strategy.scaleDownDelaySeconds"
            )
        if dynamic:
            message = "can only be used with trafficRouting"
            report.add("RS225", (*CANARY, "dynamicStableScale"), message, field="spec.strategy.dynamicStableScale")
        return
    if delay is not None and dynamic:
        message = "cannot be used together with scaleDownDelaySeconds"
        report.add("RS225", (*CANARY, "dynamicStableScale"), message, field="spec.strategy.dynamicStableScale")
    weight = (*ROUTING, "maxTrafficWeight")
    if report.at(*weight) is not None and report.at(*ROUTING, "nginx") is None and not report.at(*ROUTING, "plugins"):
        message = "is supported with nginx and plugins only"
        report.add("RS228", weight, message, field="spec.strategy.trafficRouting.maxTrafficWeight")
    else:
        _check_max_weight(report, weight)
    if report.at(*ROUTING, "nginx") is not None:
        _check_one_of(report, "nginx", "stableIngress", "stableIngresses")
    if report.at(*ROUTING, "alb") is not None:
        _check_one_of(report, "alb", "ingress", "ingresses")
    if report.at(*ROUTING, "istio") is not None:
        _check_one_of(report, "istio", "virtualService", "virtualServices")


def _check_max_weight(report: Report, path: Path) -> None:
    """Report weights out of another number than 100 where one of several routers knows 100 alone."""
    most = report.integer(*path)
    others = [router for router in NEED_SERVICES if router != "nginx" and report.at(*ROUTING, router) is not None]
    if most not in (None, 100) and others:
        message = f"{most}, and weights of {' and '.join(others)} are out of 100"
        report.add("RS412", path, message, "write weights out of 100, or release with one of the routers")


def _check_one_of(report: Report, router: str, one: str, several: str) -> None:
    has_one, has_several = (report.at(*ROUTING, router, key) not in (None, "") for key in (one, several))
    if has_one == has_several:
        found = "both" if has_one else "neither"
        report.add("RS229", (*ROUTING, router), f"expected either {one} or {several}, found {found}")


def check_experiment_weights(report: Report, step: Path, field: str) -> None:
    """Report the weights of an experiment's templates where no router can give them."""
    given = {router: report.at(*ROUTING, router) for router in EXPERIMENT_ROUTERS}
    able = [router for router, body in given.items() if body is not None and (body or router != "plugins")]
    for index in range(len(report.items(*step, "experiment", "templates"))):
        path = (*step, "experiment", "templates", index, "weight")
        if report.at(*path) is not None and not able:
            name = f"{field}.experiment.templates[{index}].weight"
            report.add("RS237", path, f"requires one of the routers {', '.join(EXPERIMENT_ROUTERS)}", field=name)


def check_route(report: Report, step: Path, kind: str, field: str) -> None:
    """Report what is wrong with a header or mirror route (``kind``); ``field`` is the controller's path of the step."""
    path, field = (*step, kind), f"{field}.{kind}"
    known = _check_routers(report, path, kind, field)
    name, managed = report.text(*path, "name"), report.at(*ROUTING, "managedRoutes")
    if report.at(*ROUTING) is not None and managed is None:
        message = f"required: {kind} names a route of it"
        report.add("RS235", (*ROUTING, "managedRoutes"), message, field="spec.strategy.trafficRouting.managedRoutes")
    elif managed is not None and name not in [route.get("name") for route in managed if isinstance(route, dict)]:
        report.add("RS235", path, f'trafficRouting.managedRoutes has no route "{name}"', field=field)
    for index in range(len(report.items(*path, "match")) if known or kind == "setMirrorRoute" else 0):
        for key in ("headerValue",) if kind == "setHeaderRoute" else ("method", "path"):
            value = report.at(*path, "match", index, key)
            if value is None and kind == "setMirrorRoute":
                continue
            given = [match for match in ("exact", "regex", "prefix") if report.text(*path, "match", index, key, match)]
            allowed = ["exact"] if kind == "setHeaderRoute" and report.at(*ROUTING, "alb") is not None else None
            if len(given) != 1 or (allowed and given != allowed):
                expected = "exact" if allowed else "one of exact, regex, prefix"
                message = f"{key}: expected {expected}, found {' and '.join(given) or 'none'}"
                report.add("RS236", (*path, "match", index, key), message, field=f"{field}.match[{index}]")


def _takes_headers(report: Report, router: str) -> bool:
    """Tell whether a router that knows header routes is told to add them: a route of the Gateway API has a flag."""
    plugins = report.mapping(*ROUTING, "plugins")
    if router != "plugins" or PLUGIN not in plugins:
        return True
    return any(ref.headers and ref.kind in WITH_HEADERS for ref in route_refs(plugin_section(plugins)))


def _check_routers(report: Report, path: Path, kind: str, field: str) -> bool:
    """Report routers that do not know a step, unless that is allowed; tell whether one of them does."""
    chosen = [router for router in ROUTERS if report.at(*ROUTING, router) is not None]
    able = ROUTE_STEPS[kind]
    unable = [router for router in chosen if router not in able or not _takes_headers(report, router)]
    known, allowed = len(unable) < len(chosen), bool(chosen) and IGNORED_ROUTES in report.allow
    hint = f"take the step out, or allow {IGNORED_ROUTES} in rollstep.yaml" if chosen else ""
    if "plugins" in unable and "plugins" in able:
        hint = f"say useHeaderRoutes: true of an HTTPRoute or GRPCRoute, or {hint}"
    if not known and not allowed:
        report.add("RS234", path, f"{kind} requires one of the routers {', '.join(able)}", hint, field=field)
    if known and unable and not allowed:
        message = f"the router {' and '.join(unable)} has no such routes and does nothing at this step"
        report.add("RS411", path, message, f"only {', '.join(able)} can; {hint}")
    return known
