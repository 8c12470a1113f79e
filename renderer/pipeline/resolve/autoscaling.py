"""Who says how many pods there are: autoscalers and disruption budgets of a release's ReplicaSets (pure).

A HorizontalPodAutoscaler scales what its ``scaleTargetRef`` names, and without the controller no Rollout is there.  So
each ReplicaSet that has pods gets one of its own, with its share of the minimum and maximum, and its manifest leaves
``replicas`` out.  The engine counts on as if there were none: a share is what it gives to the ReplicaSet out of the
Rollout's ``spec.replicas``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """Return the share of ``whole`` that ``pods`` out of ``replicas`` have, rounded up; never more than ``whole``."""
    base = max(replicas, 1)
    return -(-whole * min(pods, base) // base)


def share_down(whole: int, pods: int, replicas: int) -> int:
    """Return the share of ``whole`` that ``pods`` out of ``replicas`` have, rounded down; never more than ``whole``."""
    base = max(replicas, 1)
    return whole * min(pods, base) // base


def autoscaler_of(rollout: Rollout, manifests: Iterable[Manifest]) -> Manifest | None:
    """Return the autoscaler of the Rollout among the app's manifests; None where there is none."""
    return next(
        (
            manifest
            for manifest in manifests
            if _is_autoscaler(manifest.key, manifest.body, rollout)
            and (manifest.namespace or rollout.namespace) == rollout.namespace
        ),
        None,
    )


def _is_autoscaler(key: ObjectKey, body: Body, rollout: Rollout) -> bool:
    return (key.group, key.kind) == AUTOSCALER and scales_rollout(body, rollout.name)


def with_replicas(rollout: Rollout, autoscaler: Body) -> Rollout:
    """Return the Rollout with ``spec.replicas`` where it has none: the autoscaler's maximum.

    Shares of the largest number are the finest, and no step is planned with fewer pods than there may be.
    """
    spec: Mapping[str, Any] = rollout.body.get("spec") or {}
    maximum = mapping(autoscaler, "spec").get("maxReplicas")
    if "replicas" in spec or not isinstance(maximum, int):
        return rollout
    return replace(rollout, body={**rollout.body, "spec": {**spec, "replicas": maximum}}, replicas=maximum)


def is_autoscaled(world: World, replica_set: ReplicaSet) -> bool:
    """Tell whether an autoscaler sets the number of the ReplicaSet's pods."""
    return world.autoscaler is not None and replica_set.replicas > 0 and replica_set.name not in world.numbered


def pods_between(world: World, replica_set: ReplicaSet) -> tuple[int, int]:
    """Return the fewest and the most pods that the ReplicaSet is given; the same number where nothing scales it."""
    if world.autoscaler is None or not is_autoscaled(world, replica_set):
        return replica_set.replicas, replica_set.replicas
    low, high = (share_up(number, replica_set.replicas, world.rollout.replicas) for number in _range(world.autoscaler))
    return low, high


def most_pods(world: World, name: str, replicas: int) -> int:
    """Return the most pods that the ReplicaSet of that name may have while the release counts ``replicas`` of it."""
    if world.autoscaler is None or not replicas or name in world.numbered:
        return replicas
    return share_up(_range(world.autoscaler)[1], replicas, world.rollout.replicas)


def _range(autoscaler: Body) -> tuple[int, int]:
    """Return an autoscaler's minimum and maximum, by the defaults of its API."""
    spec = mapping(autoscaler, "spec")
    minimum = spec.get("minReplicas")
    return 1 if minimum is None else int(minimum), int(spec.get("maxReplicas") or 1)


def limits(world: World, replica_set: ReplicaSet) -> tuple[int, int] | tuple[None, None]:
    """Return the fewest and the most pods that an autoscaler gives the ReplicaSet; None twice where none scales it."""
    return pods_between(world, replica_set) if is_autoscaled(world, replica_set) else (None, None)


def count_text(replicas: int, low: int | None, high: int | None) -> str:
    """Return a number of pods for people: ``5``, or ``3-10`` within the limits of an autoscaler."""
    return str(replicas) if low is None else f"{low}-{high}"


def autoscaler_text(world: World) -> str | None:
    """Return the Rollout's autoscaler for people: ``web (3-10 pods)``; None where there is none."""
    if world.autoscaler is None:
        return None
    low, high = _range(world.autoscaler)
    return f"{world.autoscaler['metadata']['name']} ({low}-{high} pods)"


def scaled_objects(bodies: Mapping[ObjectKey, Body], world: World) -> dict[ObjectKey, Body]:
    """Return the rendered objects with the autoscalers and budgets of the ReplicaSets in place of the user's own.

    A user's autoscaler of the Rollout is left out whoever owns ``replicas``: no Rollout is there to be scaled.
    """
    made = {key: body for key, body in bodies.items() if not _is_autoscaler(key, body, world.rollout)}
    for replica_set in world.replica_sets:
        if world.autoscaler is not None and is_autoscaled(world, replica_set):
            body = made[replica_set.key]
            spec = {name: value for name, value in body["spec"].items() if name != "replicas"}
            made[replica_set.key] = {**body, "spec": spec}
            made[_beside(AUTOSCALER, replica_set)] = _autoscaler(world.autoscaler, world, replica_set)
    return _with_budgets(made, world)


def _autoscaler(body: Body, world: World, replica_set: ReplicaSet) -> Body:
    low, high = pods_between(world, replica_set)
    spec = dict(body["spec"])
    spec["scaleTargetRef"] = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set.name}
    if spec.get("minReplicas") is not None:
        spec["minReplicas"] = low
    spec["maxReplicas"] = high
    return _named(body, replica_set, spec)


def _with_budgets(bodies: dict[ObjectKey, Body], world: World) -> dict[ObjectKey, Body]:
    """Replace each budget of the release's pods by one for each ReplicaSet; one of other pods as well stays."""
    made = dict(bodies)
    live = [rs for rs in (*world.replica_sets, *_experiments(world)) if rs.replicas]
    own = {rs.key for rs in (*world.replica_sets, *_experiments(world))}
    for key, body in bodies.items():
        if (key.group, key.kind) != BUDGET:
            continue
        selector = mapping(body, "spec").get("selector")
        mine = [rs for rs in live if selects(selector, _labels(rs.template))]
        if key.namespace != world.rollout.namespace or not mine:
            continue
        if any(
            selects(selector, labels) for other, body in bodies.items() if other not in own for labels in pods(body)
        ):
            continue
        del made[key]
        made |= {_beside(BUDGET, rs): _budget(body, world, rs) for rs in mine}
    return made


def _budget(body: Body, world: World, replica_set: ReplicaSet) -> Body:
    spec = dict(body["spec"])
    selector = mapping(spec, "selector")
    labels = {**mapping(selector, "matchLabels"), HASH_LABEL: replica_set.pod_template_hash}
    spec["selector"] = {**selector, "matchLabels": labels}
    # Both leave as many pods to be evicted: n - floor(n x m / N) is ceil(n x (N - m) / N).
    for field, share in (("minAvailable", share_down), ("maxUnavailable", share_up)):
        if isinstance(spec.get(field), int):
            spec[field] = share(spec[field], replica_set.replicas, world.rollout.replicas)
    return _named(body, replica_set, spec)


def _named(body: Body, replica_set: ReplicaSet, spec: Body) -> Body:
    return {**body, "metadata": {**body["metadata"], "name": replica_set.name}, "spec": spec}


def _beside(kind: tuple[str, str], replica_set: ReplicaSet) -> ObjectKey:
    return ObjectKey(*kind, replica_set.namespace, replica_set.name)


def _experiments(world: World) -> list[ReplicaSet]:
    bodies = (world.objects[key] for key in sorted(world.objects) if key.kind == "ReplicaSet")
    return [ReplicaSet.from_body(body) for body in bodies if belongs_to_experiment(body)]


def pods(value: Any) -> Iterable[Mapping[str, Any]]:
    """Yield the labels of every pod template in an object, such as a Deployment's or a CronJob's."""
    spec = mapping(value, "spec")
    for template in (spec.get("template"), mapping(spec, "jobTemplate", "spec").get("template")):
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield _labels(template)


def _labels(template: Body) -> Mapping[str, Any]:
    return mapping(template, "metadata", "labels")
