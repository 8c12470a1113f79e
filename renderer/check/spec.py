"""The controller's validation of a Rollout's ``spec`` but for its pod template (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from renderer.check.labels import DNS_SUBDOMAIN, check_selector
from renderer.check.report import Path, Report
from renderer.rollout_spec import DEFAULT_MAX_SURGE, DEFAULT_MAX_UNAVAILABLE, STEP_KINDS, RolloutPause

STRATEGY: Path = ("spec", "strategy")
CANARY: Path = (*STRATEGY, "canary")
BLUE_GREEN: Path = (*STRATEGY, "blueGreen")
ROUTING: Path = (*CANARY, "trafficRouting")

NEED_SERVICES = ("alb", "istio", "smi", "apisix", "ambassador", "nginx", "appMesh", "traefik")
HEADER_ROUTERS = ("istio", "alb", "apisix", "plugins")
NOT_NEGATIVE: tuple[Path, ...] = (
    ("spec", "replicas"),
    ("spec", "minReadySeconds"),
    ("spec", "revisionHistoryLimit"),
    ("spec", "progressDeadlineSeconds"),
    (*CANARY, "abortScaleDownDelaySeconds"),
    (*CANARY, "minPodsPerReplicaSet"),
    (*CANARY, "scaleDownDelayRevisionLimit"),
    (*CANARY, "scaleDownDelaySeconds"),
    (*BLUE_GREEN, "abortScaleDownDelaySeconds"),
    (*BLUE_GREEN, "autoPromotionSeconds"),
    (*BLUE_GREEN, "previewReplicaCount"),
    (*BLUE_GREEN, "scaleDownDelayRevisionLimit"),
    (*BLUE_GREEN, "scaleDownDelaySeconds"),
)
_HASH_LENGTH = len("-6f8d7c9b5d")
_PERCENT = re.compile(r"[0-9]+%")


def check_spec(report: Report) -> None:
    """Report what is wrong with the Rollout's name and ``spec``."""
    _check_name(report)
    for path in NOT_NEGATIVE:
        value = report.integer(*path)
        if value is not None and value < 0:
            report.add(path, f"{value} is negative, expected 0 or more")
    if not report.at("spec", "workloadRef"):
        check_selector(report)
    elif report.at("spec", "template"):
        report.add(
            ("spec", "template"), "template must be empty for workload reference rollout", "take one of them out"
        )
    min_ready = report.integer("spec", "minReadySeconds") or 0
    deadline = report.integer("spec", "progressDeadlineSeconds")
    deadline = 600 if deadline is None else deadline
    if 0 <= deadline <= min_ready:
        message = f"{deadline} seconds are too short: must be greater than minReadySeconds, {min_ready}"
        report.add(("spec", "progressDeadlineSeconds"), message)
    _check_strategy(report)


def _check_name(report: Report) -> None:
    name = report.rollout.name
    if not DNS_SUBDOMAIN.fullmatch(name):
        message = f'"{name}" is no name: expected lower case letters, digits, - and ., a letter or digit first and last'
        report.add(("metadata", "name"), message)
    elif len(name) > 253 - _HASH_LENGTH:
        message = f"has {len(name)} characters, the names of its ReplicaSets leave it {253 - _HASH_LENGTH}"
        report.add(("metadata", "name"), message)


def _check_strategy(report: Report) -> None:
    canary, blue_green = report.at(*CANARY), report.at(*BLUE_GREEN)
    field = "spec.strategy.strategy"
    if canary is None and blue_green is None:
        report.add(STRATEGY, "has neither canary nor blueGreen, expected one of them", field=field)
    elif canary is not None and blue_green is not None:
        report.add(STRATEGY, "has both canary and blueGreen, expected one of them", field=field)
    elif canary is not None:
        _check_canary(report)
    else:
        _check_blue_green(report)


def _check_blue_green(report: Report) -> None:
    active = report.text(*BLUE_GREEN, "activeService")
    if not active:
        report.add((*BLUE_GREEN, "activeService"), "required: the Service that users reach")
    elif active == report.text(*BLUE_GREEN, "previewService"):
        message = f'"{active}" is also the previewService: two different Services are required'
        report.add((*BLUE_GREEN, "activeService"), message, field="spec.strategy.activeService")
    limit = report.integer(*BLUE_GREEN, "scaleDownDelayRevisionLimit")
    history = report.integer("spec", "revisionHistoryLimit")
    history = 10 if history is None else history
    if limit is not None and history < limit:
        message = f"{limit} is more than revisionHistoryLimit, {history}"
        path = (*BLUE_GREEN, "scaleDownDelayRevisionLimit")
        report.add(path, message, field="spec.strategy.scaleDownDelayRevisionLimit")
    _check_share(report, (*BLUE_GREEN, "maxUnavailable"), most=100)
    _check_anti_affinity(report, BLUE_GREEN)


def _check_canary(report: Report) -> None:
    _check_surge(report)
    _check_canary_services(report)
    _check_ping_pong(report)
    _check_routing(report)
    for index, step in enumerate(report.items(*CANARY, "steps")):
        if isinstance(step, Mapping):
            _check_step(report, index, step)
    _check_threshold(report)
    _check_anti_affinity(report, CANARY)


def _check_surge(report: Report) -> None:
    surge = _check_share(report, (*CANARY, "maxSurge"), DEFAULT_MAX_SURGE)
    unavailable = _check_share(report, (*CANARY, "maxUnavailable"), DEFAULT_MAX_UNAVAILABLE, most=100)
    if surge == 0 and unavailable == 0:
        message = "maxSurge and maxUnavailable cannot both be zero: no pod could ever be replaced"
        report.add((*CANARY, "maxSurge"), message, field="spec.strategy.maxSurge")


def _check_share(report: Report, path: Path, default: str = "0", most: int | None = None) -> int | None:
    """Report a number or percentage that is none, negative or too large; return it, None where it is none."""
    value = report.at(*path)
    value = default if value is None else value
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        percent = int(value[:-1])
        if most is not None and percent > most:
            report.add(path, f"{value} is more than {most}%")
        return percent
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
        value = int(value)
    if isinstance(value, str):
        report.add(path, f'"{value}" is neither a number nor a percentage such as 25%')
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if value < 0:
        report.add(path, f"{value} is negative, expected 0 or more")
    return value


def _check_canary_services(report: Report) -> None:
    stable, canary = report.text(*CANARY, "stableService"), report.text(*CANARY, "canaryService")
    if stable and stable == canary:
        message = f'"{stable}" is also the canaryService: two different Services are required'
        report.add((*CANARY, "stableService"), message, field="spec.strategy.stableService")
    for router in NEED_SERVICES:
        body = report.at(*ROUTING, router)
        has_subsets = router == "istio" and report.at(*ROUTING, router, "destinationRule") is not None
        has_ping_pong = router in ("alb", "istio") and report.at(*CANARY, "pingPong") is not None
        if body is None or has_subsets or has_ping_pong:
            continue
        for key in ("stableService", "canaryService"):
            if not report.text(*CANARY, key):
                message = f"required: the router {router} shifts traffic between stableService and canaryService"
                report.add((*CANARY, key), message, field=f"spec.strategy.{key}")
        break


def _check_ping_pong(report: Report) -> None:
    path: Path = (*CANARY, "pingPong")
    if report.at(*path) is None:
        return
    field = "spec.strategy.pingPong"
    routing = report.at(*ROUTING)
    if routing is not None and report.at(*ROUTING, "alb") is None and report.at(*ROUTING, "istio") is None:
        message = "ping-pong Services work with the routers alb and istio only"
        report.add(path, message, field="spec.strategy.trafficRouting.alb")
    ping, pong = report.text(*path, "pingService"), report.text(*path, "pongService")
    for key, name in (("pingService", ping), ("pongService", pong)):
        if not name:
            report.add((*path, key), "required: ping-pong needs both Services", field=f"{field}.{key}")
    if ping and ping == pong:
        message = f'"{ping}" is also the pongService: two different Services are required'
        report.add((*path, "pingService"), message, field=f"{field}.pingService")
    if report.at(*ROUTING, "alb") is not None and not report.text(*ROUTING, "alb", "rootService"):
        message = "required for ping-pong Services with alb"
        report.add((*ROUTING, "alb", "rootService"), message, field="spec.strategy.trafficRouting.alb.rootService")


def _check_routing(report: Report) -> None:
    delay, dynamic = report.at(*CANARY, "scaleDownDelaySeconds"), report.at(*CANARY, "dynamicStableScale") is True
    if report.at(*ROUTING) is None:
        if delay is not None:
            message = "can only be used with trafficRouting"
            report.add((*CANARY, "scaleDownDelaySeconds"), message, field="spec.strategy.scaleDownDelaySeconds")
        if dynamic:
            message = "can only be used with trafficRouting"
            report.add((*CANARY, "dynamicStableScale"), message, field="spec.strategy.dynamicStableScale")
        return
    if delay is not None and dynamic:
        message = "cannot be used together with scaleDownDelaySeconds"
        report.add((*CANARY, "dynamicStableScale"), message, field="spec.strategy.dynamicStableScale")
    weight = (*ROUTING, "maxTrafficWeight")
    if report.at(*weight) is not None and report.at(*ROUTING, "nginx") is None and not report.at(*ROUTING, "plugins"):
        message = "is supported with nginx and plugins only"
        report.add(weight, message, field="spec.strategy.trafficRouting.maxTrafficWeight")
    if report.at(*ROUTING, "nginx") is not None:
        _check_one_of_ingresses(report, "nginx", "stableIngress", "stableIngresses")
    if report.at(*ROUTING, "alb") is not None:
        _check_one_of_ingresses(report, "alb", "ingress", "ingresses")


def _check_one_of_ingresses(report: Report, router: str, one: str, several: str) -> None:
    has_one, has_several = bool(report.text(*ROUTING, router, one)), report.at(*ROUTING, router, several) is not None
    if has_one == has_several:
        found = "both" if has_one else "neither"
        report.add((*ROUTING, router), f"expected either {one} or {several}, found {found}")


def _check_step(report: Report, index: int, step: Mapping[str, Any]) -> None:
    path: Path = (*CANARY, "steps", index)
    field = f"spec.strategy.steps[{index}]"
    kinds = [kind for kind in STEP_KINDS if step.get(kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        report.add(path, f"expected one of {', '.join(STEP_KINDS)}, found {found}", field=field)
    weight, most = report.integer(*path, "setWeight"), report.integer(*ROUTING, "maxTrafficWeight")
    most = 100 if most is None else most
    if weight is not None and not 0 <= weight <= most:
        message = f"{weight} is not between 0 and {most}"
        report.add((*path, "setWeight"), message, field=f"{field}.setWeight")
    duration = report.at(*path, "pause", "duration")
    if isinstance(duration, int | str) and RolloutPause(duration).duration_seconds < 0:
        message = f"{json.dumps(duration)} is no duration above 0, such as 30, 10m or 1h"
        report.add((*path, "pause", "duration"), message, field=f"{field}.pause.duration")
    if report.at(*path, "setCanaryScale") is not None:
        _check_canary_scale(report, (*path, "setCanaryScale"))
    for kind in ("setHeaderRoute", "setMirrorRoute"):
        if report.at(*path, kind) is not None:
            _check_route(report, path, kind, field)


def _check_canary_scale(report: Report, path: Path) -> None:
    if report.at(*ROUTING) is None:
        report.add(path, "setCanaryScale requires trafficRouting", field="spec.strategy.trafficRouting")
    scale = report.mapping(*path)
    given = [
        key
        for key in ("weight", "replicas", "matchTrafficWeight")
        if scale.get(key) is not None and scale[key] is not False
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        report.add(path, f"expected one of weight, replicas, matchTrafficWeight, found {found}")
    weight, replicas = report.integer(*path, "weight"), report.integer(*path, "replicas")
    for key, value in (("weight", weight), ("replicas", replicas)):
        if value is not None and value < 0:
            report.add((*path, key), f"{value} is negative, expected 0 or more")


def _check_route(report: Report, step: Path, kind: str, field: str) -> None:
    path, field = (*step, kind), f"{field}.{kind}"
    routers = HEADER_ROUTERS if kind == "setHeaderRoute" else ("istio",)
    if all(report.at(*ROUTING, router) is None for router in routers):
        report.add(path, f"{kind} requires one of the routers {', '.join(routers)}", field=field)
        return
    name, managed = report.text(*path, "name"), report.at(*ROUTING, "managedRoutes")
    if managed is None:
        message = f"required: {kind} names a route of it"
        report.add((*ROUTING, "managedRoutes"), message, field="spec.strategy.trafficRouting.managedRoutes")
    elif name not in [route.get("name") for route in managed if isinstance(route, Mapping)]:
        report.add(path, f'trafficRouting.managedRoutes has no route "{name}"', field=field)
    for index in range(len(report.items(*path, "match"))):
        for key in ("headerValue",) if kind == "setHeaderRoute" else ("method", "path"):
            value = report.at(*path, "match", index, key)
            if value is None and kind == "setMirrorRoute":
                continue
            given = [match for match in ("exact", "regex", "prefix") if report.text(*path, "match", index, key, match)]
            allowed = ["exact"] if kind == "setHeaderRoute" and report.at(*ROUTING, "alb") is not None else None
            if len(given) != 1 or (allowed and given != allowed):
                expected = "exact" if allowed else "one of exact, regex, prefix"
                message = f"{key}: expected {expected}, found {' and '.join(given) or 'none'}"
                report.add((*path, "match", index, key), message, field=f"{field}.match[{index}]")


def _check_threshold(report: Report) -> None:
    path = (*CANARY, "replicaProgressThreshold")
    if report.at(*path) is None:
        return
    kind, value = report.at(*path, "type"), report.integer(*path, "value")
    if kind not in ("Percent", "Pods"):
        report.add((*path, "type"), f"expected Percent or Pods, found {json.dumps(kind)}")
    if value is not None and (value < 0 or (kind == "Percent" and value > 100)):
        report.add((*path, "value"), f"{value} is {'negative' if value < 0 else 'more than 100 percent'}")


def _check_anti_affinity(report: Report, strategy: Path) -> None:
    path, field = (*strategy, "antiAffinity"), "spec.strategy.antiAffinity"
    if report.at(*path) is None:
        return
    rules = ("preferredDuringSchedulingIgnoredDuringExecution", "requiredDuringSchedulingIgnoredDuringExecution")
    given = [rule for rule in rules if report.at(*path, rule) is not None]
    if len(given) != 1:
        report.add(path, f"expected one of {', '.join(rules)}, found {' and '.join(given) or 'none'}", field=field)
    weight = report.integer(*path, rules[0], "weight")
    if report.at(*path, rules[0]) is not None and not 1 <= (weight or 0) <= 100:
        report.add((*path, rules[0], "weight"), f"{weight} is not between 1 and 100", field=f"{field}.weight")
