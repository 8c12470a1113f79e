"""The controller's validation of a Rollout's ``spec`` except for the pod template."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from renderer.rollouts.checks.labels import DNS_SUBDOMAIN, check_selector
from renderer.rollouts.checks.report import Path, Report, expected_one
from renderer.rollouts.checks.routing import check_experiment_weights, check_route, check_routing
from renderer.rollouts.checks.values import subscript
from renderer.rollouts.model.spec import (
    BLUE_GREEN,
    CANARY,
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    PREFERRED,
    REQUIRED,
    ROUTING,
    STEP_KINDS,
    RolloutPause,
    excluding_actions,
)

STRATEGY: Path = ("spec", "strategy")
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
SCALES = ("weight", "replicas", "matchTrafficWeight")
_HASH_LENGTH = len("-6f8d7c9b5d")
_METADATA = re.compile(r"metadata\.(name|namespace|uid|(labels|annotations)(\['.*'\])?)")
_PERCENT = re.compile(r"[0-9]+%")


def check_spec(report: Report) -> None:
    """Report an invalid name or ``spec`` of the Rollout."""
    _check_name(report)
    _check_not_negative(report, *NOT_NEGATIVE)
    if not report.at("spec", "workloadRef"):
        check_selector(report)
    elif report.at("spec", "template"):
        message = "template must be empty for workload reference rollout"
        report.add("RS207", ("spec", "template"), message, "take one of them out")
    min_ready = report.integer("spec", "minReadySeconds") or 0
    deadline = report.integer("spec", "progressDeadlineSeconds")
    deadline = 600 if deadline is None else deadline
    if 0 <= deadline <= min_ready:
        message = f"{deadline} seconds are too short: must be greater than minReadySeconds, {min_ready}"
        report.add("RS206", ("spec", "progressDeadlineSeconds"), message)
    _check_strategy(report)


def _check_not_negative(report: Report, *paths: Path) -> None:
    for path in paths:
        value = report.integer(*path)
        if value is not None and value < 0:
            report.add("RS205", path, f"{value} is negative, expected 0 or more")


def _check_name(report: Report) -> None:
    name = report.rollout.name
    if not DNS_SUBDOMAIN.fullmatch(name):
        expected = "lower case letters, digits, - and ., a letter or digit first and last"
        message = f'"{name}" is not a valid name: expected {expected}'
        report.add("RS201", ("metadata", "name"), message)
    elif len(name) > 253 - _HASH_LENGTH:
        message = f"has {len(name)} characters, the names of its ReplicaSets leave it {253 - _HASH_LENGTH}"
        report.add("RS201", ("metadata", "name"), message)


def _check_strategy(report: Report) -> None:
    canary, blue_green = report.at(*CANARY), report.at(*BLUE_GREEN)
    field = "spec.strategy.strategy"
    if (canary is None) == (blue_green is None):
        found = "neither canary nor" if canary is None else "both canary and"
        report.add("RS220", STRATEGY, f"has {found} blueGreen, expected one of them", field=field)
    elif canary is not None:
        _check_canary(report)
    else:
        _check_blue_green(report)


def _check_blue_green(report: Report) -> None:
    active = report.text(*BLUE_GREEN, "activeService")
    if not active:
        report.add("RS221", (*BLUE_GREEN, "activeService"), "required: the Service that users reach")
    elif active == report.text(*BLUE_GREEN, "previewService"):
        message = f'"{active}" is also the previewService: two different Services are required'
        report.add("RS222", (*BLUE_GREEN, "activeService"), message, field="spec.strategy.activeService")
    limit = report.integer(*BLUE_GREEN, "scaleDownDelayRevisionLimit")
    history = report.integer("spec", "revisionHistoryLimit")
    history = 10 if history is None else history
    if limit is not None and history < limit:
        message = f"{limit} is more than revisionHistoryLimit, {history}"
        path = (*BLUE_GREEN, "scaleDownDelayRevisionLimit")
        report.add("RS224", path, message, field="spec.strategy.scaleDownDelayRevisionLimit")
    _check_share(report, (*BLUE_GREEN, "maxUnavailable"), most=100)
    _check_anti_affinity(report, BLUE_GREEN)


def _check_canary(report: Report) -> None:
    surge = _check_share(report, (*CANARY, "maxSurge"), DEFAULT_MAX_SURGE)
    unavailable = _check_share(report, (*CANARY, "maxUnavailable"), DEFAULT_MAX_UNAVAILABLE, most=100)
    if surge == 0 and unavailable == 0:
        message = "maxSurge and maxUnavailable cannot both be zero: no pod could ever be replaced"
        report.add("RS223", (*CANARY, "maxSurge"), message, field="spec.strategy.maxSurge")
    check_routing(report)
    for path, step in report.mappings(*CANARY, "steps"):
        _check_step(report, path, step)
    _check_threshold(report)
    _check_anti_affinity(report, CANARY)


def _check_share(report: Report, path: Path, default: str = "0", most: int | None = None) -> int | None:
    """Report an invalid number or percentage; return its value, None for another type."""
    value = report.at(*path)
    value = default if value is None else value
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        percent = int(value[:-1])
        if most is not None and percent > most:
            report.add("RS402", path, f"{value} is more than {most}%")
        return percent
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value):
        value = int(value)
    if isinstance(value, str):
        report.add("RS402", path, f'"{value}" is neither a number nor a percentage such as 25%')
        return 0  # as in the controller
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if value < 0:
        report.add("RS205", path, f"{value} is negative, expected 0 or more")
    return value


def _check_step(report: Report, path: Path, step: Mapping[str, Any]) -> None:
    field = f"spec.strategy.steps[{path[-1]}]"
    kinds = [kind for kind in STEP_KINDS if step.get(kind) is not None]
    if message := excluding_actions(step):
        report.add("RS230", path, message, field=field)
    weight, most = report.integer(*path, "setWeight"), report.integer(*ROUTING, "maxTrafficWeight")
    most = 100 if most is None else most
    if weight is not None and not 0 <= weight <= most:
        message = f"{weight} is not between 0 and {most}"
        report.add("RS231", (*path, "setWeight"), message, field=f"{field}.setWeight")
    duration = report.at(*path, "pause", "duration")
    if isinstance(duration, int | str) and RolloutPause(duration).duration_seconds < 0:
        message = f"{json.dumps(duration)} is not a duration above 0, such as 30, 10m or 1h"
        report.add("RS232", (*path, "pause", "duration"), message, field=f"{field}.pause.duration")
    if report.at(*path, "setCanaryScale") is not None:
        _check_canary_scale(report, (*path, "setCanaryScale"))
    for kind in kinds:
        if STEP_KINDS[kind].is_route:
            check_route(report, path, kind, field)
    if report.at(*path, "experiment") is not None:
        check_experiment_weights(report, path, field)
    _check_arguments(report, path, field)


def _check_arguments(report: Report, step: Path, field: str) -> None:
    """Report arguments of a step's analyses with an invalid ``fieldPath``."""
    for analysis in ((*step, "analysis"), *(path for path, _ in report.mappings(*step, "experiment", "analyses"))):
        for argument, _ in report.mappings(*analysis, "args"):
            path = (*argument, "valueFrom", "fieldRef", "fieldPath")
            shown = report.text(*path)
            if shown.startswith("metadata") and (not _METADATA.fullmatch(shown) or subscript(shown)):
                expected = "metadata.name, namespace, uid, labels, annotations"
                message = f'"{shown}" is not metadata of a Rollout: expected {expected}'
                report.add("RS240", path, message, field=f"{field}.analyses")


def _check_canary_scale(report: Report, path: Path) -> None:
    if report.at(*ROUTING) is None:
        report.add("RS233", path, "setCanaryScale requires trafficRouting", field="spec.strategy.trafficRouting")
    scale = report.mapping(*path)
    given = [key for key in SCALES if scale.get(key) is not None and scale[key] is not False]
    if len(given) != 1:
        report.add("RS403", path, expected_one(SCALES, given))
    _check_not_negative(report, (*path, "weight"), (*path, "replicas"))


def _check_threshold(report: Report) -> None:
    path = (*CANARY, "replicaProgressThreshold")
    if report.at(*path) is None:
        return
    kind, value = report.at(*path, "type"), report.integer(*path, "value")
    if kind not in ("Percent", "Pods"):
        report.add("RS404", (*path, "type"), f"expected Percent or Pods, found {json.dumps(kind)}")
    if value is not None and (value < 0 or (kind == "Percent" and value > 100)):
        report.add("RS404", (*path, "value"), f"{value} is {'negative' if value < 0 else 'more than 100 percent'}")


def _check_anti_affinity(report: Report, strategy: Path) -> None:
    path, field = (*strategy, "antiAffinity"), "spec.strategy.antiAffinity"
    if report.at(*path) is None:
        return
    report.expect_one("RS226", path, (PREFERRED, REQUIRED), field=field)
    weight = report.integer(*path, PREFERRED, "weight")
    if report.at(*path, PREFERRED) is not None and not 1 <= (weight or 0) <= 100:
        report.add("RS226", (*path, PREFERRED, "weight"), f"{weight} is not between 1 and 100", field=f"{field}.weight")
