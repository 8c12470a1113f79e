"""References between a Rollout and other objects, across files."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest, ObjectKey, finding, mapping, place
from renderer.rollouts.checks.references import Kind, backends, ingresses
from renderer.rollouts.checks.report import Path, part_of
from renderer.rollouts.controller.routers import ROUTERS, router_for, routers_of
from renderer.rollouts.model.spec import CANARY, ROUTING, SERVICES
from renderer.verbs.lint.context import ROLLOUT, Context, Group, Subject, folder_of, is_beside, kind_of, parse_rollout

INGRESS = ("networking.k8s.io", "Ingress")
INGRESS_CLASS = ("networking.k8s.io", "IngressClass")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
INGRESS_ROUTERS = ("nginx", "alb")
CHECKED_ROUTERS = (*INGRESS_ROUTERS, "plugins")
"""The routers whose objects the checks of every verb look for."""


def missing_workloads(context: Context) -> Iterator[Finding]:
    """Yield each ``workloadRef`` with a missing workload."""
    path: Path = ("spec", "workloadRef")
    for subject in context.subjects():
        name, kind = subject.text(*path, "name"), subject.text(*path, "kind")
        of = (subject.text(*path, "apiVersion").rpartition("/")[0], kind)
        if name and kind and subject.named(of, name) is None:
            yield subject.finding((*path, "name"), f'{kind} "{name}" not found', _hint(subject, of, name))


def missing_router_objects(context: Context) -> Iterator[Finding]:
    """Yield missing objects of traffic routers."""
    for subject in context.subjects():
        routers = [name for name in ROUTERS if name not in CHECKED_ROUTERS and subject.at(*ROUTING, name) is not None]
        rollout = parse_rollout(subject) if routers else None
        if rollout is None:
            continue
        for router in routers:
            for named in router_for(router).named_objects(rollout):
                if not any(_exists(subject, key) for key in named.keys):
                    key = named.keys[0]
                    hint = _hint(subject, (key.group, key.kind), key.name)
                    yield subject.finding((*ROUTING, router), f'{key.kind} "{key.name}" not found', hint)


def _exists(subject: Subject, key: ObjectKey) -> bool:
    """Return whether the manifests have an object, which may be in another namespace than the Rollout."""
    default = subject.rollout.namespace
    found = subject.group.near(subject.rollout).named((key.group, key.kind), key.name)
    return any((manifest.namespace or default) == (key.namespace or default) for manifest in found)


def _hint(subject: Subject, kind: Kind, name: str) -> str:
    near = subject.group.near(subject.rollout).nearest(kind, name)
    return f"did you mean {near}?" if near else "add it to the manifests beside the Rollout"


def ingress_classes_of_other_routers(context: Context) -> Iterator[Finding]:
    """Yield the Ingresses of Rollouts whose class does not belong to the router."""
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
                    f"the class {name} is not one of {router}, the router of the Rollout {subject.rollout.name}: "
                    "nothing reads its weights"
                )
                hint = f"give it the class of {router}, or add the IngressClass {name} to the manifests"
                yield finding(ingress, path, message, hint)


def _class(ingress: Manifest) -> tuple[Path, str]:
    """Return the path and name of an Ingress' class; an empty name for the cluster's default."""
    path: Path = ("spec", "ingressClassName")
    name = part_of(ingress.body, path)
    if not name:
        path = ("metadata", "annotations", CLASS_ANNOTATION)
        name = part_of(ingress.body, path)
    return path, name if isinstance(name, str) else ""


def objects_of_two_apps(context: Context) -> Iterator[Finding]:
    """Yield objects that another app of the environment has, too."""
    first: dict[tuple[str, ObjectKey], tuple[Group, Manifest]] = {}
    for group in context.groups:
        for manifest in group.manifests if group.app else ():
            owner, other = first.setdefault((group.environment, manifest.key), (group, manifest))
            if owner is not group:
                message = (
                    f"{manifest.kind} {manifest.name} belongs to the app {owner.app}, too ({place(other)}): "
                    "each would undo the other's changes"
                )
                yield finding(manifest, (), message, "leave it to one app, or rename one of them")


def made_objects_of_two_apps(context: Context) -> Iterator[Finding]:
    """Yield Rollouts whose router makes an object that another app of the environment has or makes."""
    theirs: dict[tuple[str, ObjectKey], tuple[Group, Manifest]] = {}
    for group in context.groups:
        for manifest in group.manifests if group.app else ():
            theirs.setdefault((group.environment, manifest.key), (group, manifest))
    for subject in context.subjects():
        for name, key in _made_objects(subject) if subject.group.app else ():
            at = (subject.group.environment, key)
            owner, manifest = theirs.setdefault(at, (subject.group, subject.rollout))
            if owner is not subject.group:
                message = f"the router {name} makes {key.kind} {key.name}, which the app {owner.app} has, too"
                hint = f"rename one of the two ({place(manifest)}): the one would replace the other"
                yield subject.finding((*ROUTING, name), message, hint)


def _made_objects(subject: Subject) -> Iterator[tuple[str, ObjectKey]]:
    """Yield each object that a router of a Rollout makes, after the router's name."""
    rollout = parse_rollout(subject)
    for name, router in routers_of(rollout).items() if rollout is not None else ():
        for key in router.created_objects(rollout) if rollout is not None else ():
            yield name, key


def services_of_two_rollouts(context: Context) -> Iterator[Finding]:
    """Yield Services that another Rollout has, too."""
    first: dict[int, Subject] = {}
    for subject in context.subjects():
        for path in SERVICES:
            service = subject.named(("", "Service"), subject.text(*path))
            owner = subject if service is None else first.setdefault(id(service), subject)
            if service is not None and owner.rollout is not subject.rollout and _are_distinct(owner, subject):
                other = owner.rollout
                message = f'Service "{service.name}" also belongs to the Rollout {other.name} ({place(other)})'
                yield subject.finding(path, message, "give each Rollout its own Services")


def _are_distinct(one: Subject, other: Subject) -> bool:
    """Return whether two Rollouts are two in a cluster, and not one in two environments."""
    return one.rollout.key != other.rollout.key or folder_of(one.rollout) == folder_of(other.rollout)


def canary_services_in_use(context: Context) -> Iterator[Finding]:
    """Yield Ingresses that send requests to a canary Service without the router's weight."""
    users: dict[object, dict[str, list[tuple[Group, Manifest]]]] = {}
    for group in context.groups:
        by_service = users.setdefault(_environment(group), {})
        for name, found in _ingresses_by_service(group).items():
            by_service.setdefault(name, []).extend((group, ingress) for ingress in found)
    for subject in context.subjects():
        service = subject.text(*CANARY, "canaryService")
        if not service or subject.at(*ROUTING) is None:
            continue
        routed = {name for _, name in ingresses(subject)}
        for group, ingress in users[_environment(subject.group)].get(service, ()):
            nearest = group is not subject.group or subject.named(INGRESS, ingress.name) is ingress
            if nearest and is_beside(ingress, subject.rollout) and ingress.name not in routed:
                message = (
                    f'Ingress "{ingress.name}" sends requests to the canary Service "{service}" of the Rollout '
                    f"{subject.rollout.name}, whatever its weight is"
                )
                hint = "send them to another Service; for a preview, ignore the rule with the reason"
                yield finding(ingress, ("spec", "rules"), message, hint)


def _ingresses_by_service(group: Group) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for manifest in group.manifests:
        if kind_of(manifest) == INGRESS and not _is_canary_ingress(manifest):
            for service in sorted(set(backends(manifest))):
                found.setdefault(service, []).append(manifest)
    return found


def _environment(group: Group) -> object:
    """Return the environment of an app's group; any other group is an environment of its own."""
    return group.environment if group.app else id(group)


def _is_canary_ingress(ingress: Manifest) -> bool:
    annotations = mapping(ingress.metadata, "annotations")
    return any(str(key).endswith("/canary") and value == "true" for key, value in annotations.items())


def duplicates(context: Context) -> Iterator[Finding]:
    """Yield duplicate objects of an app, or of a folder outside of apps."""
    for group in context.groups:
        first: dict[tuple[str, ObjectKey], Manifest] = {}
        for manifest in group.manifests:
            folder = "" if group.app else folder_of(manifest)
            earlier = first.setdefault((folder, manifest.key), manifest)
            if earlier is not manifest:
                message = f"duplicate {manifest.kind} {manifest.name}, the other one is at {place(earlier)}"
                yield finding(manifest, (), message, "remove one of the two")


def apps_without_one_rollout(context: Context) -> Iterator[Finding]:
    """Yield apps without exactly one Rollout."""
    for group in context.groups:
        rollouts = group.rollouts if group.app else ()
        for rollout in rollouts[1:]:
            message = f"the app {group.app} has another Rollout, {rollouts[0].name} at {place(rollouts[0])}"
            yield finding(rollout, (), message, "move each Rollout into its own app's folder")
        if group.app and group.manifests and not rollouts:
            deployments = [item for item in group.manifests if item.kind == "Deployment"]
            message = f"the app {group.app} has no {ROLLOUT[1]} ({ROLLOUT[0]}/v1alpha1)"
            hint = "add one: `rollstep init` converts a Deployment"
            yield finding((deployments or group.manifests)[0], (), message, hint)
