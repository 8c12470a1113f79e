"""Requests that do not follow the weights of a Rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest, finding
from renderer.rollouts.checks.references import ingresses
from renderer.rollouts.checks.report import Path, part_of
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.spec import CANARY, ROUTING
from renderer.verbs.lint.context import Context, Subject, is_beside, parse_rollout
from renderer.verbs.lint.references import INGRESS

SERVICE = ("", "Service")
TEMPLATE_LABELS: Path = ("spec", "template", "metadata", "labels")
USE_ANNOTATION = "use-annotation"
"""The port with which the AWS load balancer controller reads the action of an annotation."""


def services_without_router(context: Context) -> Iterator[Finding]:
    """Yield Rollouts without a router whose requests go to the stable or the canary Service alone."""
    for subject in context.subjects():
        names = {key: subject.text(*CANARY, key) for key in ("stableService", "canaryService")}
        weights = [subject.integer(*path, "setWeight") for path, _ in subject.mappings(*CANARY, "steps")]
        if subject.at(*ROUTING) is not None or not any(names.values()) or not any(weights):
            continue
        others = [item for item in _services(subject) if item.name not in names.values()]
        used = {name for name in names.values() if name and _leads_to(subject, name)}
        if others and not used:
            continue
        key = next(key for key, name in names.items() if name and (not used or name in used))
        message = (
            f"requests to the Service {names[key]} reach the pods of one version alone, whatever the weight: "
            "without trafficRouting, nothing divides them"
        )
        hint = "add trafficRouting, or let users reach a Service that selects the pods of both versions"
        yield subject.finding((*CANARY, key), message, hint)


def experiments_without_router(context: Context) -> Iterator[Finding]:
    """Yield experiments whose pods get requests from a Service of the Rollout's pods."""
    for subject in context.subjects():
        if subject.at(*ROUTING) is not None:
            continue
        own = [subject.text(*CANARY, key) for key in ("stableService", "canaryService")]
        services = [item for item in _services(subject) if item.name not in own]
        for step, _ in subject.mappings(*CANARY, "steps"):
            for path, _ in subject.mappings(*step, "experiment", "templates"):
                labels = {**subject.mapping(*TEMPLATE_LABELS), **subject.mapping(*path, "metadata", "labels")}
                for service in services:
                    if _selects(service, labels):
                        message = (
                            f"the Service {service.name} selects the pods of this template, too: it gets requests, "
                            "and no weight says how many"
                        )
                        hint = "give the template a label in its metadata with which the Service does not select it"
                        yield subject.finding(path, message, hint)


def paths_without_annotation(context: Context) -> Iterator[Finding]:
    """Yield paths of ALB Ingresses that lead to the Service itself, and not to the action with the weights."""
    for subject in context.subjects():
        for at, name in ingresses(subject):
            router, ingress = str(at[len(ROUTING)]), subject.named(INGRESS, name)
            root = router_for(router).root_service
            if ingress is None or not root:
                continue
            service = subject.text(*ROUTING, router, root) or subject.text(*CANARY, "stableService")
            for path, port in _ports(ingress, service):
                if port != USE_ANNOTATION:
                    message = (
                        f"the load balancer sends its requests to the Service {service} itself, whatever the weight"
                    )
                    hint = (
                        f"write `port: {{name: {USE_ANNOTATION}}}`: the action of the annotation then has the weights"
                    )
                    yield finding(ingress, path, message, hint)


def names_with_dots(context: Context) -> Iterator[Finding]:
    """Yield names of VirtualServices that the controller reads as a name and a namespace, and finds nothing."""
    for subject in context.subjects():
        rollout = parse_rollout(subject) if subject.at(*ROUTING, "istio") is not None else None
        for named in router_for("istio").named_objects(rollout) if rollout is not None else ():
            key, *others = named.keys
            kind = (key.group, key.kind)
            near = subject.group.near(subject.rollout)
            found = [item for item in near.named(kind, key.name) if (item.namespace or key.namespace) == key.namespace]
            for other in others if not found else ():
                if subject.named(kind, other.name) is not None:
                    message = f"{named.reading}, which is not among the manifests; rollstep takes {other.name}"
                    yield subject.finding((*ROUTING, "istio"), message, "give the VirtualService a name without dots")


def _services(subject: Subject) -> list[Manifest]:
    """Return the Services among the manifests that select the Rollout's pods."""
    labels = subject.mapping(*TEMPLATE_LABELS)
    found = subject.group.near(subject.rollout).of_kind(SERVICE)
    return [item for item in found if is_beside(item, subject.rollout) and _selects(item, labels)]


def _selects(service: Manifest, labels: Mapping[str, Any]) -> bool:
    selector = part_of(service.body, ("spec", "selector"))
    pairs = selector.items() if isinstance(selector, dict) else ()
    return bool(pairs) and HASH_LABEL not in selector and all(labels.get(key) == value for key, value in pairs)


def _leads_to(subject: Subject, service: str) -> bool:
    """Return whether an object beside the Rollout, such as an Ingress or a route, names a Service as a backend."""
    return any(
        manifest.kind.endswith(("Ingress", "Route")) and _names(manifest.body.get("spec"), service)
        for manifest in subject.group.manifests
        if is_beside(manifest, subject.rollout)
    )


def _names(value: Any, service: str) -> bool:
    if isinstance(value, dict):
        return value.get("name") == service or any(_names(item, service) for item in value.values())
    return isinstance(value, list) and any(_names(item, service) for item in value)


def _ports(ingress: Manifest, service: str) -> Iterator[tuple[Path, object]]:
    """Yield the path and the name of the port of each backend of a Service."""
    rules = part_of(ingress.body, ("spec", "rules"))
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        paths = part_of(rule, ("http", "paths"))
        for number, item in enumerate(paths if isinstance(paths, list) else ()):
            at: Path = ("spec", "rules", index, "http", "paths", number, "backend", "service")
            if part_of(item, ("backend", "service", "name")) == service:
                yield (*at, "port"), part_of(item, ("backend", "service", "port", "name"))
