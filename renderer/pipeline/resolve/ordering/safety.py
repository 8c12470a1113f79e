"""Checks that every state between two worlds has the pods for its requests, whatever is applied first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.replica_math import max_unavailable
from renderer.rollouts.controller.routers.istio_subsets import destination_rule, subset_hashes
from renderer.rollouts.controller.services import selected_hash, stable_and_canary_services
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World

Weights = Mapping[str, int]
"""The weight of each destination by name, out of ``maxTrafficWeight``."""


def is_safe_shift(before: World, after: World) -> bool:
    """Return whether every mixture of two worlds' selectors and weights has the pods for its requests.

    In a mixture, a version may get more of the traffic than in either world only if it has the pods for that.  No
    destination may change to a version without an available pod.
    """
    available = {rs.pod_template_hash: rs.available_replicas for rs in before.replica_sets}
    # A Service that was never switched selects the pods of all versions.
    available[""] = sum(available.values())
    old, new = _selected(before), _selected(after)
    if any(old.get(name) != selected and not available.get(selected) for name, selected in new.items()):
        return False
    ends = [_most(world) for world in (before, after)]
    for selected in _mixtures(old, new):
        for weights in (*_routes(before), *_routes(after)):
            for pod_hash, weight in _loads(selected, weights).items():
                allowed = max(end.get(pod_hash, 0) for end in ends)
                if weight > allowed and available.get(pod_hash, 0) < required_pods(before.rollout, weight):
                    return False
    return True


def keeps_pods(before: World, after: World) -> bool:
    """Return whether every version with requests keeps the pods for them, or as many as were available."""
    left = {rs.pod_template_hash: rs.replicas for rs in after.replica_sets}
    available = {rs.pod_template_hash: rs.available_replicas for rs in before.replica_sets}
    return all(
        left.get(pod_hash, 0) >= min(available.get(pod_hash, 0), required_pods(before.rollout, weight))
        for pod_hash, weight in _most(before).items()
    )


def required_pods(rollout: Rollout, weight: int) -> int:
    """Return the pods that must be available for a share of the traffic: its share of ``spec.replicas``.

    ``maxUnavailable`` of them may be missing, but not the last one.
    """
    share = weight * rollout.replicas // (max_traffic_weight(rollout) if rollout.canary else 100)
    return max(1, share - max_unavailable(rollout)) if weight and rollout.replicas else 0


def _selected(world: World) -> dict[str, str]:
    """Return the pod-template-hash that each destination selects, by the destination's name.

    A destination is a Service of the Rollout, or a subset of its Istio DestinationRule (``subset NAME``).
    """
    names = _services(world.rollout)
    found = {name: selected_hash(world.service(name)) for name in names if world.service(name) is not None}
    rule = destination_rule(world.rollout)
    subsets = (rule.get("canarySubsetName"), rule.get("stableSubsetName"))
    return found | {f"subset {name}": pod_hash for name, pod_hash in subset_hashes(world) if name in subsets}


def _services(rollout: Rollout) -> list[str]:
    canary, blue_green = rollout.canary, rollout.blue_green
    names: list[str] = []
    if canary is not None:
        ping_pong = canary.ping_pong or {}
        names += [canary.stable_service, canary.canary_service]
        names += [str(ping_pong.get(field) or "") for field in ("pingService", "pongService")]
    if blue_green is not None:
        names += [blue_green.active_service, blue_green.preview_service]
    return [name for name in dict.fromkeys(names) if name]


def _routes(world: World) -> tuple[Weights, ...]:
    """Return the weights of all destinations, once for each way in which the router may name them.

    Without a router the result is empty: requests go to all pods.
    """
    rollout, status = world.rollout, world.status
    if rollout.blue_green is not None:
        return ({rollout.blue_green.active_service: 100},)
    canary = rollout.canary
    if canary is None or canary.traffic_routing is None or not canary.traffic_routing.routers:
        return ()
    weights = status.canary.weights
    split = (max_traffic_weight(rollout), 0) if weights is None else (weights.stable.weight, weights.canary.weight)
    prefers_ping_pong = "alb" in canary.traffic_routing.routers
    services = stable_and_canary_services(rollout, status, prefer_ping_pong=prefers_ping_pong)
    rule = destination_rule(rollout)
    subsets = [f"subset {rule.get(name)}" for name in ("stableSubsetName", "canarySubsetName")]
    ways = [services] if all(services) else []
    return tuple(dict(zip(way, split, strict=True)) for way in (*ways, *([subsets] if rule else [])))


def _loads(selected: Mapping[str, str], weights: Weights) -> dict[str, int]:
    """Return the weight of each pod-template-hash."""
    found: dict[str, int] = {}
    for name, weight in weights.items():
        if weight:
            pod_hash = selected.get(name, "")
            found[pod_hash] = found.get(pod_hash, 0) + weight
    return found


def _most(world: World) -> dict[str, int]:
    """Return the greatest weight of each pod-template-hash over all routes."""
    found: dict[str, int] = {}
    selected = _selected(world)
    for weights in _routes(world):
        for pod_hash, weight in _loads(selected, weights).items():
            found[pod_hash] = max(found.get(pod_hash, 0), weight)
    return found


def _mixtures(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[dict[str, str]]:
    names = sorted(old.keys() | new.keys())
    choices = [dict.fromkeys((old.get(name, ""), new.get(name, ""))) for name in names]
    for chosen in product(*choices):
        yield dict(zip(names, chosen, strict=True))
