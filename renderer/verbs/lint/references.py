"""What a Rollout refers to and what else refers to it, across files (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest, ObjectKey, mapping
from renderer.rollouts.checks.references import SERVICES, Kind, backends, ingresses
from renderer.rollouts.checks.report import Path, part_of
from renderer.rollouts.controller.routers import ROUTERS, router_for
from renderer.rollouts.model.spec import CANARY, ROUTING
from renderer.verbs.lint.context import (
    ROLLOUT,
    Context,
    Group,
    Subject,
    finding_at,
    folder_of,
    is_beside,
    kind_of,
    typed,
)

INGRESS = ("networking.k8s.io", "Ingress")
INGRESS_CLASS = ("networking.k8s.io", "IngressClass")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
INGRESS_ROUTERS = ("nginx", "alb")
CHECKED_ROUTERS = (*INGRESS_ROUTERS, "plugins")
"""The routers whose objects are for the checks that every verb makes."""


def missing_workloads(context: Context) -> Iterator[Finding]:
    """Find a ``workloadRef`` whose workload is not there."""
    path: Path = ("spec", "workloadRef")
    for subject in context.subjects():
        name, kind = subject.text(*path, "name"), subject.text(*path, "kind")
        of = (subject.text(*path, "apiVersion").rpartition("/")[0], kind)
        if name and kind and subject.group.complete and subject.named(of, name) is None:
            yield subject.finding((*path, "name"), f'{kind} "{name}" not found', _hint(subject, of, name))


def missing_router_objects(context: Context) -> Iterator[Finding]:
    """Find objects of a traffic router that are not there."""
    for subject in context.subjects():
        routers = [name for name in ROUTERS if name not in CHECKED_ROUTERS and subject.at(*ROUTING, name) is not None]
        rollout = typed(subject) if routers and subject.group.complete else None
        if rollout is None:
            continue
        for router in routers:
            for named in router_for(router).named_objects(rollout):
                if not any(_is_there(subject, key) for key in named.keys):
                    key = named.keys[0]
                    hint = _hint(subject, (key.group, key.kind), key.name)
                    yield subject.finding((*ROUTING, router), f'{key.kind} "{key.name}" not found', hint)


def _is_there(subject: Subject, key: ObjectKey) -> bool:
    """Tell whether the manifests have an object, which may be in another namespace than the Rollout."""
    of_rollout = subject.rollout.namespace
    there = subject.group.near(subject.rollout).named((key.group, key.kind), key.name)
    return any((manifest.namespace or of_rollout) == (key.namespace or of_rollout) for manifest in there)


def _hint(subject: Subject, kind: Kind, name: str) -> str:
    near = subject.group.near(subject.rollout).nearest(kind, name)
    return f"did you mean {near}?" if near else "add it to the manifests beside the Rollout"


def classes_without_router(context: Context) -> Iterator[Finding]:
    """Find the Ingress of a Rollout whose class belongs to something else than the router."""
    controllers = {
        manifest.name: str(part_of(manifest.body, ("spec", "controller")) or "")
        for group in context.groups
        for manifest in group.manifests
        if kind_of(manifest) == INGRESS_CLASS
    }
    for subject in context.subjects():
        for at, named in ingresses(subject):
            router, ingress = str(at[len(ROUTING)]), subject.named(INGRESS, named)
            path, name = _class(ingress) if ingress is not None else ((), "")
            if ingress is not None and name and router not in controllers.get(name, name):
                message = (
                    f"the class {name} is not one of {router}, which routes the traffic of the Rollout "
                    f"{subject.rollout.name}: its weights would reach nobody"
                )
                hint = f"give it the class of {router}, or add the IngressClass {name} to the manifests"
                yield finding_at(ingress, path, message, hint)


def _class(ingress: Manifest) -> tuple[Path, str]:
    """Return the class of an Ingress and where it stands; empty where the cluster's default counts."""
    path: Path = ("spec", "ingressClassName")
    name = part_of(ingress.body, path)
    if not name:
        path = ("metadata", "annotations", CLASS_ANNOTATION)
        name = part_of(ingress.body, path)
    return path, name if isinstance(name, str) else ""


def objects_of_two_apps(context: Context) -> Iterator[Finding]:
    """Find objects that two apps of an environment both have."""
    first: dict[tuple[str, ObjectKey], tuple[Group, Manifest]] = {}
    for group in context.groups:
        for manifest in group.manifests if group.app else ():
            owner, other = first.setdefault((group.environment, manifest.key), (group, manifest))
            if owner is not group:
                message = (
                    f"{manifest.kind} {manifest.name} belongs to the app {owner.app} as well ({_place(other)}): "
                    "each would undo what the other makes of it"
                )
                yield finding_at(manifest, (), message, "leave it to one app, or give one of them another name")


def services_of_two_rollouts(context: Context) -> Iterator[Finding]:
    """Find Services that two Rollouts both point at their own pods."""
    first: dict[int, Subject] = {}
    for subject in context.subjects():
        for path in SERVICES:
            service = subject.named(("", "Service"), subject.text(*path))
            owner = subject if service is None else first.setdefault(id(service), subject)
            if service is not None and owner.rollout is not subject.rollout and _differ(owner, subject):
                place = _place(owner.rollout)
                message = f'Service "{service.name}" is also one of the Rollout {owner.rollout.name} ({place})'
                yield subject.finding(path, message, "give each Rollout Services of its own")


def _differ(one: Subject, other: Subject) -> bool:
    """Tell whether two Rollouts are two in a cluster, not one in two environments."""
    return one.rollout.key != other.rollout.key or folder_of(one.rollout) == folder_of(other.rollout)


def canary_services_in_use(context: Context) -> Iterator[Finding]:
    """Find Ingresses that send requests to a canary Service past the router's weight."""
    users: dict[object, dict[str, list[tuple[Group, Manifest]]]] = {}
    for group in context.groups:
        by_service = users.setdefault(_world(group), {})
        for name, found in _ingresses_by_service(group).items():
            by_service.setdefault(name, []).extend((group, ingress) for ingress in found)
    for subject in context.subjects():
        service = subject.text(*CANARY, "canaryService")
        if not service or subject.at(*ROUTING) is None:
            continue
        routed = {name for _, name in ingresses(subject)}
        for group, ingress in users[_world(subject.group)].get(service, ()):
            nearest = group is not subject.group or subject.named(INGRESS, ingress.name) is ingress
            if nearest and is_beside(ingress, subject.rollout) and ingress.name not in routed:
                message = (
                    f'Ingress "{ingress.name}" sends requests to the canary Service "{service}" of the Rollout '
                    f"{subject.rollout.name}, whatever its weight is"
                )
                hint = "send them to a Service of its own, or ignore this where it is meant for a preview"
                yield finding_at(ingress, ("spec", "rules"), message, hint)


def _ingresses_by_service(group: Group) -> dict[str, list[Manifest]]:
    """Return the Ingresses of a group by the Services that they send requests to, but for those of nginx canaries."""
    found: dict[str, list[Manifest]] = {}
    for manifest in group.manifests:
        if kind_of(manifest) == INGRESS and not _is_canary_ingress(manifest):
            for service in sorted(set(backends(manifest))):
                found.setdefault(service, []).append(manifest)
    return found


def _world(group: Group) -> object:
    """Return what two groups have in common that are two apps of an environment, or are one."""
    return group.environment if group.app else id(group)


def _is_canary_ingress(ingress: Manifest) -> bool:
    """Tell whether an Ingress is one that nginx takes for the canary of another."""
    annotations: Any = mapping(ingress.metadata.get("annotations"))
    return any(str(key).endswith("/canary") and value == "true" for key, value in annotations.items())


def _place(manifest: Manifest) -> str:
    line, _ = manifest.source.position(())
    return f"{manifest.source.file}:{line}" if line else manifest.source.file


def duplicates(context: Context) -> Iterator[Finding]:
    """Find objects that are there twice in an app, or in a folder where it is no app's."""
    for group in context.groups:
        first: dict[tuple[str, ObjectKey], Manifest] = {}
        for manifest in group.manifests:
            folder = "" if group.app else folder_of(manifest)
            earlier = first.setdefault((folder, manifest.key), manifest)
            if earlier is not manifest:
                message = f"{manifest.kind} {manifest.name} is there twice, the other one at {_place(earlier)}"
                yield finding_at(manifest, (), message, "take one of them away")


def apps_without_one_rollout(context: Context) -> Iterator[Finding]:
    """Find apps that have no Rollout, or several."""
    for group in context.groups:
        rollouts = group.rollouts
        if not group.app or not group.complete or len(rollouts) == 1:
            continue
        if rollouts:
            for rollout in rollouts[1:]:
                message = f"the app {group.app} has another Rollout, {rollouts[0].name} at {_place(rollouts[0])}"
                yield finding_at(rollout, (), message, "put each Rollout into an app's folder of its own")
        elif group.manifests:
            manifest = group.manifests[0]
            deployments = [item for item in group.manifests if item.kind == "Deployment"]
            message = f"the app {group.app} has no {ROLLOUT[1]} ({ROLLOUT[0]}/v1alpha1)"
            yield finding_at((deployments or [manifest])[0], (), message, "add one: `rollstep init` makes one")
