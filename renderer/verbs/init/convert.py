"""Conversion of a Deployment, with its Services and Ingresses, into a Rollout.

Source: ``docs/migrating.md`` of Argo Rollouts v1.9.  nginx Ingresses become the canary's router.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from renderer.errors import Finding
from renderer.kubernetes.manifest import FieldPath, finding, mapping
from renderer.kubernetes.yaml.editor import edit, put_block
from renderer.rollouts.checks.labels import DEPLOYMENT_HASH, deployment_hash_paths
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.verbs.init.documents import Item, with_text, without
from renderer.verbs.init.groups import Group, in_one_namespace, is_deployment, scale_target, selects

CANARY, BLUE_GREEN = "canary", "blueGreen"
NGINX_CONTROLLER = "k8s.io/ingress-nginx"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
NGINX_ANNOTATIONS = "nginx.ingress.kubernetes.io/"
MAX_NAME = 63
HORIZONTAL = "HorizontalPodAutoscaler"
TARGET: FieldPath = ("spec", "scaleTargetRef")

DEPLOYMENT_SPEC = (
    "minReadySeconds",
    "paused",
    "progressDeadlineSeconds",
    "replicas",
    "revisionHistoryLimit",
    "selector",
    "strategy",
    "template",
)
"""The fields of a Deployment's spec (Kubernetes v1.34); a Rollout has all of them, with another ``strategy``."""

ADDRESS_FIELDS = (
    "allocateLoadBalancerNodePorts",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "type",
)
"""Fields of a Service's spec about its address, which a second Service cannot share."""

ADDRESS_ANNOTATIONS = ("external-dns.alpha.kubernetes.io/", "service.beta.kubernetes.io/", "cloud.google.com/")


class Choices(Struct, frozen=True):
    """The strategy of converted Deployments, and the weights of a canary's steps."""

    strategy: str = CANARY
    steps: tuple[int, ...] = (20, 40, 60)


class Converted(Struct, frozen=True):
    """The objects of an app, the Rollout first, with notes and findings."""

    items: tuple[Item, ...]
    notes: tuple[Finding, ...]
    findings: tuple[Finding, ...] = ()


def convert(group: Group, choices: Choices) -> Converted:
    """Return the objects of an app, its Deployment converted into a Rollout; a Rollout stays as it is."""
    notes: list[Finding] = []
    if not is_deployment(group.workload):
        autoscalers = tuple(_autoscalers(group, notes))
        return Converted((group.workload, *group.members, *autoscalers), tuple(notes))
    notes.append(_adoption_note(group.workload))
    near = [item for item in group.members if in_one_namespace(item, group.workload)]
    services = [item for item in near if item.manifest.kind == "Service" and selects(item, group)]
    ingresses = list(_nginx_ingresses(group, services, notes))
    stable = _stable_service(group, services, ingresses, notes)
    if choices.strategy == BLUE_GREEN and stable is None:
        message = f"no Service selects the pods of the {group.workload.title()}, and blueGreen needs one"
        hint = "name the file of the Service, or use --strategy canary"
        return Converted((), (), (finding(group.workload.manifest, (), message, hint),))
    members = list(group.members)
    second: Item | None = None
    if stable is not None and (choices.strategy == BLUE_GREEN or ingresses):
        second = _second_service(group, stable, "canary" if choices.strategy == CANARY else "preview")
        if not any(second is member for member in members):
            at = next(index for index, member in enumerate(members) if member is stable)
            members.insert(at + 1, second)
    if choices.strategy == CANARY:
        names = [ingress.manifest.name for ingress in ingresses]
        strategy = {"canary": _canary(group, choices, stable if names else None, second, names)}
    else:
        assert stable is not None and second is not None
        services_of = {"activeService": stable.manifest.name, "previewService": second.manifest.name}
        strategy = {"blueGreen": {**services_of, "autoPromotionEnabled": False}}
    rollout = _rollout(group, strategy, notes)
    return Converted((rollout, *members, *_autoscalers(group, notes)), tuple(notes))


def _rollout(group: Group, strategy: Mapping[str, Any], notes: list[Finding]) -> Item:
    deployment = group.workload
    spec = mapping(deployment.manifest.body, "spec")
    dropped: list[FieldPath] = [("spec", key) for key in spec if key not in DEPLOYMENT_SPEC]
    if dropped:
        names = ", ".join(f"spec.{path[-1]}" for path in dropped)
        notes.append(finding(deployment.manifest, dropped[0], f"a Rollout has no {names}: left out"))
    _note_strategy(group, strategy, notes)
    _note_small_weights(group, strategy, notes)
    kind: dict[FieldPath, Any] = {("apiVersion",): "argoproj.io/v1alpha1", ("kind",): "Rollout"}
    hashes = deployment_hash_paths(mapping(spec, "template"), ("spec", "template"))
    # Pods of a Rollout have another label than those of a Deployment.
    kind |= {path: HASH_LABEL for path in hashes if path[-1] != DEPLOYMENT_HASH}
    text = edit(without(deployment, dropped).text, 0, kind, "")
    return with_text(deployment, put_block(text, ("spec", "strategy"), dict(strategy)))


def _note_strategy(group: Group, strategy: Mapping[str, Any], notes: list[Finding]) -> None:
    old = mapping(group.workload.manifest.body, "spec", "strategy")
    path = ("spec", "strategy")
    if old.get("type") == "Recreate":
        message = "Recreate never runs two versions at once, a Rollout does during each release"
        hint = "make sure that both versions can run side by side"
        notes.append(finding(group.workload.manifest, path, message, hint))
    limits = [key for key in ("maxSurge", "maxUnavailable") if key in mapping(old, "rollingUpdate")]
    if limits and BLUE_GREEN in strategy:
        message = f"{' and '.join(limits)} left out: blueGreen starts all new pods beside the old ones"
        notes.append(finding(group.workload.manifest, path, message))


def _adoption_note(item: Item) -> Finding:
    """Return why to move over from the Deployment, which would adopt every ReplicaSet that its selector matches."""
    message = f"a running {item.title()} would adopt the new ReplicaSet and scale it down"
    return finding(item.manifest, (), message, "move over before the first sync, with the commands at the end")


def _note_small_weights(group: Group, strategy: Mapping[str, Any], notes: list[Finding]) -> None:
    canary = mapping(strategy, CANARY)
    weights = [step["setWeight"] for step in canary.get("steps", ()) if step.get("setWeight")]
    replicas = mapping(group.workload.manifest.body, "spec").get("replicas", _maximum(group) or 1)
    if "trafficRouting" in canary or not weights or not isinstance(replicas, int) or not replicas:
        return
    if replicas * min(weights) < 100:
        message = f"{min(weights)}% of {replicas} replicas is less than 1 pod: the first step has 1 pod"
        hint = "raise replicas or choose --steps"
        notes.append(finding(group.workload.manifest, ("spec", "replicas"), message, hint))


def _autoscalers(group: Group, notes: list[Finding]) -> Iterator[Item]:
    """Yield the HorizontalPodAutoscalers, with the Rollout as their target; note the other autoscalers."""
    for item in group.autoscalers:
        if item.manifest.kind != HORIZONTAL:
            kind = scale_target(item).get("kind")
            message = f"the {item.title()} is left out: the cluster has no {kind} to scale"
            hint = "use a HorizontalPodAutoscaler, which rollstep renders for each ReplicaSet"
            notes.append(finding(item.manifest, (), message, hint))
        elif is_deployment(group.workload):
            target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": group.name}
            yield with_text(item, edit(item.text, 0, {(*TARGET, key): value for key, value in target.items()}, ""))
        else:
            yield item


def _maximum(group: Group) -> int | None:
    """Return the autoscaler's maximum, which a release uses without ``replicas``."""
    for item in group.autoscalers:
        maximum = mapping(item.manifest.body, "spec").get("maxReplicas")
        if item.manifest.kind == HORIZONTAL and isinstance(maximum, int):
            return maximum
    return None


def _canary(
    group: Group, choices: Choices, stable: Item | None, canary: Item | None, ingresses: Sequence[str]
) -> dict[str, Any]:
    strategy: dict[str, Any] = {}
    if stable is not None and canary is not None:
        strategy["stableService"] = stable.manifest.name
        strategy["canaryService"] = canary.manifest.name
        one_or_more = {"stableIngress": ingresses[0]} if len(ingresses) == 1 else {"stableIngresses": list(ingresses)}
        strategy["trafficRouting"] = {"nginx": one_or_more}
    rolling = mapping(group.workload.manifest.body, "spec", "strategy", "rollingUpdate")
    strategy |= {key: rolling[key] for key in ("maxSurge", "maxUnavailable") if key in rolling}
    steps: list[Any] = []
    for weight in choices.steps:
        # The first step waits for a person; the others give faults time to show.
        steps += [{"setWeight": weight}, {"pause": {"duration": "10m"} if steps else {}}]
    if steps:
        strategy["steps"] = steps
    return strategy


def _nginx_ingresses(group: Group, services: Sequence[Item], notes: list[Finding]) -> Iterator[Item]:
    """Yield the nginx Ingresses of the app's Services; note why others are not used."""
    names = {item.manifest.name for item in services}
    for item in group.members:
        if item.manifest.kind != "Ingress" or not names & set(backends(item)):
            continue
        reason = _no_nginx(item, group.members)
        if item.manifest.api_version != "networking.k8s.io/v1":
            reason = f"it is {item.manifest.api_version}, and routing needs networking.k8s.io/v1"
        if not reason:
            yield item
            continue
        message = f"the {item.title()} cannot route by weight: {reason}"
        hint = "the number of pods decides instead; for exact weights use nginx or another router of Argo Rollouts"
        notes.append(finding(item.manifest, ("spec", "ingressClassName"), message, hint))


def _no_nginx(item: Item, members: Sequence[Item]) -> str:
    """Return why an Ingress does not belong to ingress-nginx; empty for one that does."""
    annotations = mapping(item.manifest.body, "metadata", "annotations")
    name = mapping(item.manifest.body, "spec").get("ingressClassName") or annotations.get(CLASS_ANNOTATION)
    if not isinstance(name, str):
        is_nginx = any(str(key).startswith(NGINX_ANNOTATIONS) for key in annotations)
        return "" if is_nginx else "it names no class"
    for other in members:
        if other.manifest.kind == "IngressClass" and other.manifest.name == name:
            controller = mapping(other.manifest.body, "spec").get("controller")
            return "" if controller == NGINX_CONTROLLER else f"its class {name} is {controller}'s"
    return "" if "nginx" in name.split("-") else f"its class is {name}, not nginx"


def backends(item: Item) -> Iterator[str]:
    """Yield the Services in an Ingress' rules, in any API version."""
    rules = mapping(item.manifest.body, "spec").get("rules")
    for rule in rules if isinstance(rules, list) else ():
        paths = mapping(rule, "http").get("paths")
        for path in paths if isinstance(paths, list) else ():
            backend = mapping(path, "backend")
            name = mapping(backend, "service").get("name") or backend.get("serviceName")
            if isinstance(name, str):
                yield name


def _stable_service(group: Group, services: Sequence[Item], ingresses: list[Item], notes: list[Finding]) -> Item | None:
    """Return the stable Service: the Ingress' one, else the workload's namesake, else the first."""
    if not services:
        return None
    routed = [name for ingress in ingresses for name in backends(ingress)]
    names = {item.manifest.name: item for item in services}
    candidates = [names[name] for name in routed if name in names]
    candidates += [names[group.name]] if group.name in names else []
    candidates += [item for item in services if mapping(item.manifest.body, "spec").get("clusterIP") != "None"]
    stable = (candidates or list(services))[0]
    for ingress in list(ingresses):
        if stable.manifest.name not in set(backends(ingress)):
            ingresses.remove(ingress)
            message = f"the {ingress.title()} does not route to the {stable.title()}: its traffic is not shifted"
            notes.append(finding(ingress.manifest, ("spec", "rules"), message))
    rest = ", ".join(sorted(item.manifest.name for item in services if item is not stable))
    if rest:
        message = f"several Services select the pods: {stable.manifest.name} becomes the stable one, not {rest}"
        notes.append(finding(stable.manifest, ("spec", "selector"), message))
    return stable


def _second_service(group: Group, stable: Item, suffix: str) -> Item:
    """Return the Service of the new version: an existing one of that name, or a copy of the stable one."""
    name = f"{stable.manifest.name[: MAX_NAME - len(suffix) - 1].rstrip('-')}-{suffix}"
    for item in group.members:
        if item.manifest.kind == "Service" and item.manifest.name == name and in_one_namespace(item, stable):
            return item
    body = stable.manifest.body
    spec, annotations = mapping(body, "spec"), mapping(body, "metadata", "annotations")
    kept = {"clusterIP", "clusterIPs"} if spec.get("clusterIP") == "None" else set()
    kept |= {"type"} if spec.get("type") == "ClusterIP" else set()
    paths: list[FieldPath] = [("spec", key) for key in ADDRESS_FIELDS if key in spec and key not in kept]
    ports = spec.get("ports")
    for index, port in enumerate(ports if isinstance(ports, list) else ()):
        if isinstance(port, dict) and "nodePort" in port:
            paths.append(("spec", "ports", index, "nodePort"))
    paths += [("metadata", "annotations", str(key)) for key in annotations if str(key).startswith(ADDRESS_ANNOTATIONS)]
    return with_text(stable, edit(without(stable, paths).text, 0, {("metadata", "name"): name}, ""))
