"""Labels, annotations and names that a release writes into objects of its own, besides the pod template.

Argo Rollouts v1.9.1: ``utils/annotations``, ``rollout/ephemeralmetadata.go``, ``rollout/experiment.go`` and
``experiments/service.go``; the API server's rules are those of Kubernetes v1.34 (``pkg/apis/apps/validation`` and
``pkg/apis/core/validation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renderer.kubernetes.selectors import selects
from renderer.rollouts.checks.labels import SELECTOR, check_labels, is_qualified_name, is_service_name
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.controller.experiment import NAME_ANNOTATION, TEMPLATE_ANNOTATION
from renderer.rollouts.controller.routers.alb import DEFAULT_PREFIX as ALB_PREFIX
from renderer.rollouts.controller.routers.alb import PATH as ALB
from renderer.rollouts.controller.routers.nginx import DEFAULT_PREFIX as NGINX_PREFIX
from renderer.rollouts.controller.routers.nginx import PATH as NGINX
from renderer.rollouts.model.rollout import (
    EPHEMERAL_METADATA_ANNOTATION,
    HASH_LABEL,
    SCALE_DOWN_DEADLINE_ANNOTATION,
)
from renderer.rollouts.model.spec import BLUE_GREEN, CANARY, ROUTING

EPHEMERAL: tuple[Path, ...] = (
    (*CANARY, "canaryMetadata"),
    (*CANARY, "stableMetadata"),
    (*BLUE_GREEN, "activeMetadata"),
    (*BLUE_GREEN, "previewMetadata"),
)
OF_CONTROLLER = (
    SCALE_DOWN_DEADLINE_ANNOTATION,
    EPHEMERAL_METADATA_ANNOTATION,
    NAME_ANNOTATION,
    TEMPLATE_ANNOTATION,
)
"""Annotations of ReplicaSets that the controller sets and removes, and that they would inherit from the Rollout."""
TEMPLATE_LABELS: Path = ("spec", "template", "metadata", "labels")
SHORTEST_HASH = 8
"""Characters of a short pod-template-hash."""


def check_metadata(report: Report) -> None:
    """Report labels, annotations and names with which the API server refuses an object, or a release never ends."""
    check_labels(report, ("metadata", "labels"), "metadata.labels")
    _check_annotations(report, ("metadata", "annotations"))
    for name in OF_CONTROLLER:
        path: Path = ("metadata", "annotations", name)
        if report.at(*path) is not None:
            message = "ReplicaSets inherit it, and the controller sets and removes it there"
            report.add("RS241", path, message, "take it out of the Rollout")
    for path in EPHEMERAL:
        _check_labels(report, path)
        if HASH_LABEL in report.mapping(*path, "labels"):
            message = "the controller tells ReplicaSets apart by this label of their pods"
            report.add("RS241", (*path, "labels", HASH_LABEL), message, "take it out")
        else:
            _check_selected(report, path, report.mapping(*SELECTOR))
    _check_ingresses(report)
    for step, _ in report.mappings(*CANARY, "steps"):
        for path, template in report.mappings(*step, "experiment", "templates"):
            _check_labels(report, (*path, "metadata"))
            own = template.get("selector")
            if isinstance(own, dict):
                _check_selected(report, (*path, "metadata"), own, (*path, "selector"))
            _check_service(report, path, template, int(step[-1]))


def _check_ingresses(report: Report) -> None:
    """Report annotations with invalid keys that the nginx and ALB routers write into Ingresses."""
    keys: dict[Path, str] = {}
    prefix = report.text(*NGINX, "annotationPrefix") or NGINX_PREFIX
    for key in report.mapping(*NGINX, "additionalIngressAnnotations"):
        keys[*NGINX, "additionalIngressAnnotations", key] = key if str(key).startswith(prefix) else f"{prefix}/{key}"
    for key in report.mapping(*NGINX, "canaryIngressAnnotations"):
        keys[*NGINX, "canaryIngressAnnotations", key] = str(key)
    if report.at(*ALB) is not None:
        prefix = report.text(*ALB, "annotationPrefix") or ALB_PREFIX
        root = next((path for path in ((*ALB, "rootService"), (*CANARY, "stableService")) if report.text(*path)), None)
        if root is not None:
            keys[root] = f"{prefix}/actions.{report.text(*root)}"
        for path, route in report.mappings(*ROUTING, "managedRoutes"):
            keys[*path, "name"] = f"{prefix}/conditions.{route.get('name')}"
    for path, key in keys.items():
        if not is_qualified_name(key.lower()):
            message = f"the router would write the annotation {key}, which no object can have"
            report.add("RS202", path, message, "one slash, between a domain and up to 63 characters")


def _check_labels(report: Report, path: Path) -> None:
    check_labels(report, (*path, "labels"), "")
    _check_annotations(report, (*path, "annotations"))


def _check_annotations(report: Report, path: Path) -> None:
    for key in report.mapping(*path):
        if not is_qualified_name(str(key).lower()):
            report.add("RS202", (*path, key), f'"{key}" is not a valid name', "one slash, between a domain and a name")


def _check_selected(report: Report, path: Path, selector: Mapping[str, Any], at: Path = ()) -> None:
    """Report labels below ``path`` with which the pods do not match the selector of their ReplicaSet."""
    own, labels = report.mapping(*path, "labels"), report.mapping(*TEMPLATE_LABELS)
    # Without such labels of its own, the template is compared with the Rollout's selector elsewhere.
    is_known = bool(labels) and (bool(at) or (bool(own) and selects(selector, labels)))
    if not is_known or selects(selector, {**labels, **own}):
        return
    message = "the pods would not have the labels of their ReplicaSet's selector, and the API server refuses that"
    hint = "leave labels of spec.selector as they are in spec.template"
    report.add("RS204", at or (*path, "labels"), message, hint)


def _check_service(report: Report, path: Path, template: Mapping[str, Any], step: int) -> None:
    """Report an experiment whose Service cannot have its name."""
    service = template.get("service")
    name = report.text(*path, "service", "name")
    has_ports = any(report.items(*at, "ports") for at, _ in report.mappings("spec", "template", "spec", "containers"))
    if not has_ports or (service is None and template.get("weight") is None):
        return
    if name:
        if not is_service_name(name):
            report.add("RS242", (*path, "service", "name"), f'"{name}" is not a valid name', NAME_HINT)
        return
    revision = len(str(report.at("metadata", "annotations", "rollout.argoproj.io/revision") or "2"))
    rollout, own = report.rollout.name, report.text(*path, "name")
    shortest = f"{rollout}-{'x' * SHORTEST_HASH}-{'2' * revision}-{step}-{own}"
    if own and not is_service_name(shortest):
        what = f"{rollout}-HASH-REVISION-{step}-{own}"
        message = f"its Service would have the name {what}, which no Service can have"
        report.add("RS242", (*path, "name"), message, f"give it a name of its own in service.name: {NAME_HINT}")


NAME_HINT = "a Service has up to 63 lower case letters, digits and -, a letter first"
