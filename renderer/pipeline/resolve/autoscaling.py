"""Autoscalers and disruption budgets of a release: one for each ReplicaSet in place of the user's one for the Rollout.

A HorizontalPodAutoscaler scales the object of its ``scaleTargetRef``, and without the controller the cluster has no
Rollout.  Each ReplicaSet with pods therefore gets its own autoscaler, with its share of the minimum and the maximum,
and its manifest has no ``replicas``.  The engine counts without autoscalers: a ReplicaSet's share is its part of the
Rollout's ``spec.replicas``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.kinds import AUTOSCALER, BUDGET, scales_rollout
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, mapping
from renderer.kubernetes.selectors import selects
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet, Rollout
from renderer.rollouts.model.world import World

AUTO, ROLLSTEP, BY_AUTOSCALER = "auto", "rollstep", "autoscaler"
"""The values of the setting ``replicas``."""


def share_up(whole: int, pods: int, replicas: int) -> int:
    """Return the share of ``whole`` for ``pods`` out of ``replicas``, rounded up; at most ``whole``."""
    base = max(replicas, 1)
    return -(-whole * min(pods, base) // base)


def share_down(whole: int, pods: int, replicas: int) -> int:
    """Return the share of ``whole`` for ``pods`` out of ``replicas``, rounded down; at most ``whole``."""
    base = max(replicas, 1)
    return whole * min(pods, base) // base


def autoscaler_of(rollout: Rollout, manifests: Iterable[Manifest]) -> Manifest | None:
    """Return the Rollout's autoscaler among the app's manifests; None if missing."""
    for manifest in manifests:
        namespace = manifest.namespace or rollout.namespace
        if namespace == rollout.namespace and _is_autoscaler(manifest.key, manifest.body, rollout):
            return manifest
    return None


def with_replicas(rollout: Rollout, autoscaler: Body) -> Rollout:
    """Return the Rollout with ``spec.replicas``, by default the autoscaler's maximum.

    Shares of the largest number are the finest, and no step is planned with fewer pods than the cluster may have.
    """
    spec: Mapping[str, Any] = rollout.body.get("spec") or {}
    maximum = mapping(autoscaler, "spec").get("maxReplicas")
    if "replicas" in spec or not isinstance(maximum, int):
        return rollout
    return replace(rollout, body={**rollout.body, "spec": {**spec, "replicas": maximum}}, replicas=maximum)


def is_autoscaled(world: World, replica_set: ReplicaSet) -> bool:
    """Return whether an autoscaler sets the replicas of the ReplicaSet."""
    return world.autoscaler is not None and replica_set.replicas > 0 and replica_set.name not in world.numbered


def pod_limits(world: World, replica_set: ReplicaSet) -> tuple[int, int] | tuple[None, None]:
    """Return the minimum and the maximum of the ReplicaSet's autoscaler; None twice without one."""
    if world.autoscaler is None or not is_autoscaled(world, replica_set):
        return None, None
    low, high = (share_up(number, replica_set.replicas, world.rollout.replicas) for number in _range(world.autoscaler))
    return low, high


def most_pods(world: World, name: str, replicas: int) -> int:
    """Return the most pods that the named ReplicaSet may have while the release counts ``replicas`` of it."""
    if world.autoscaler is None or not replicas or name in world.numbered:
        return replicas
    return share_up(_range(world.autoscaler)[1], replicas, world.rollout.replicas)


def count_text(replicas: int, low: int | None, high: int | None) -> str:
    """Return a number of pods for people: ``5``, or ``3-10`` for the limits of an autoscaler."""
    return str(replicas) if low is None else f"{low}-{high}"


def autoscaler_text(world: World) -> str | None:
    """Return the Rollout's autoscaler for people: ``web (3-10 pods)``; None if missing."""
    if world.autoscaler is None:
        return None
    low, high = _range(world.autoscaler)
    return f"{world.autoscaler['metadata']['name']} ({low}-{high} pods)"


def scaled_objects(bodies: Mapping[ObjectKey, Body], world: World) -> dict[ObjectKey, Body]:
    """Return the rendered objects with the autoscalers and budgets of ReplicaSets in place of the Rollout's.

    The Rollout's autoscaler is left out even if rollstep sets the replicas, since the cluster has no Rollout.
    """
    found = {key: body for key, body in bodies.items() if not _is_autoscaler(key, body, world.rollout)}
    for replica_set in world.replica_sets:
        if world.autoscaler is not None and is_autoscaled(world, replica_set):
            body = found[replica_set.key]
            spec = {name: value for name, value in body["spec"].items() if name != "replicas"}
            found[replica_set.key] = {**body, "spec": spec}
            found[_key_of(AUTOSCALER, replica_set)] = _autoscaler(world.autoscaler, world, replica_set)
    return _with_budgets(found, world)


def _is_autoscaler(key: ObjectKey, body: Body, rollout: Rollout) -> bool:
    return (key.group, key.kind) == AUTOSCALER and scales_rollout(body, rollout.name)


def _range(autoscaler: Body) -> tuple[int, int]:
    """Return an autoscaler's minimum and maximum, by default 1 as in its API."""
    spec = mapping(autoscaler, "spec")
    minimum = spec.get("minReplicas")
    return 1 if minimum is None else int(minimum), int(spec.get("maxReplicas") or 1)


def _autoscaler(body: Body, world: World, replica_set: ReplicaSet) -> Body:
    low, high = pod_limits(world, replica_set)
    spec = dict(body["spec"])
    spec["scaleTargetRef"] = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set.name}
    if spec.get("minReplicas") is not None:
        spec["minReplicas"] = low
    spec["maxReplicas"] = high
    return _named(body, replica_set, spec)


def _with_budgets(bodies: dict[ObjectKey, Body], world: World) -> dict[ObjectKey, Body]:
    """Replace each budget of the release's pods by one for each ReplicaSet, unless it covers other pods as well."""
    found = dict(bodies)
    replica_sets = [*world.replica_sets, *_experiments(world)]
    keys = {rs.key for rs in replica_sets}
    for key, body in bodies.items():
        if (key.group, key.kind) != BUDGET or key.namespace != world.rollout.namespace:
            continue
        selector = mapping(body, "spec").get("selector")
        covered = [rs for rs in replica_sets if rs.replicas and selects(selector, _labels(rs.template))]
        others = (labels for other, body in bodies.items() if other not in keys for labels in _pod_labels(body))
        if covered and not any(selects(selector, labels) for labels in others):
            del found[key]
            found |= {_key_of(BUDGET, rs): _budget(body, world, rs) for rs in covered}
    return found


def _budget(body: Body, world: World, replica_set: ReplicaSet) -> Body:
    spec = dict(body["spec"])
    selector = mapping(spec, "selector")
    labels = {**mapping(selector, "matchLabels"), HASH_LABEL: replica_set.pod_template_hash}
    spec["selector"] = {**selector, "matchLabels": labels}
    # Both let a drain evict as many pods: n - floor(n x m / N) is ceil(n x (N - m) / N).
    for field, share in (("minAvailable", share_down), ("maxUnavailable", share_up)):
        if isinstance(spec.get(field), int):
            spec[field] = share(spec[field], replica_set.replicas, world.rollout.replicas)
    return _named(body, replica_set, spec)


def _named(body: Body, replica_set: ReplicaSet, spec: Body) -> Body:
    return {**body, "metadata": {**body["metadata"], "name": replica_set.name}, "spec": spec}


def _key_of(kind: tuple[str, str], replica_set: ReplicaSet) -> ObjectKey:
    return ObjectKey(*kind, replica_set.namespace, replica_set.name)


def _experiments(world: World) -> list[ReplicaSet]:
    bodies = (world.objects[key] for key in sorted(world.objects) if key.kind == "ReplicaSet")
    return [ReplicaSet.from_body(body) for body in bodies if belongs_to_experiment(body)]


def _pod_labels(body: Body) -> Iterator[Mapping[str, Any]]:
    """Yield the labels of every pod template in an object, such as a Deployment or a CronJob."""
    spec = mapping(body, "spec")
    for template in (spec.get("template"), mapping(spec, "jobTemplate", "spec").get("template")):
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield _labels(template)


def _labels(template: Body) -> Mapping[str, Any]:
    return mapping(template, "metadata", "labels")
