"""Where requests go in a world, and whether the pods are there for it in every state between two worlds (pure)."""

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


def selections(world: World) -> dict[str, str]:
    """Return the pod-template-hash that each destination selects, by the destination's name.

    A destination is a Service of the Rollout, or a subset of its Istio DestinationRule (``subset NAME``).
    """
    rollout = world.rollout
    names = _services(rollout)
    found = {name: selected_hash(world.service(name)) for name in names if world.service(name) is not None}
    rule = destination_rule(rollout)
    ours = (rule.get("canarySubsetName"), rule.get("stableSubsetName"))
    found |= {f"subset {name}": pod_hash for name, pod_hash in subset_hashes(world) if name in ours}
    return found


def routes(world: World) -> tuple[Weights, ...]:
    """Return the weights of all destinations, once for each way in which the router may name them.

    Empty without a router: requests go to all pods then.
    """
    rollout, status = world.rollout, world.status
    if rollout.blue_green is not None:
        return ({rollout.blue_green.active_service: 100},)
    canary = rollout.canary
    if canary is None or canary.traffic_routing is None or not canary.traffic_routing.routers:
        return ()
    most = max_traffic_weight(rollout)
    weights = status.canary.weights
    split = (most, 0) if weights is None else (weights.stable.weight, weights.canary.weight)
    prefers_ping_pong = "alb" in canary.traffic_routing.routers
    services = stable_and_canary_services(rollout, status, prefer_ping_pong=prefers_ping_pong)
    rule = destination_rule(rollout)
    subsets = [f"subset {rule.get(name)}" for name in ("stableSubsetName", "canarySubsetName")]
    ways = [services] if all(services) else []
    return tuple(dict(zip(way, split, strict=True)) for way in (*ways, *([subsets] if rule else [])))


def needed(rollout: Rollout, weight: int) -> int:
    """Return the pods that have to be available for a share of the traffic: its share of ``spec.replicas``.

    As many may be missing as ``maxUnavailable`` says, but for the last one.
    """
    share = weight * rollout.replicas // (max_traffic_weight(rollout) if rollout.canary else 100)
    return max(1, share - max_unavailable(rollout)) if weight and rollout.replicas else 0


def loads(selected: Mapping[str, str], weights: Weights) -> dict[str, int]:
    """Return the weight that each pod-template-hash gets."""
    found: dict[str, int] = {}
    for name, weight in weights.items():
        if weight:
            found[selected.get(name, "")] = found.get(selected.get(name, ""), 0) + weight
    return found


def is_safe_shift(before: World, after: World) -> bool:
    """Tell whether every mixture of two worlds' selectors and weights sends requests only where pods are for them.

    In a mixture no version may get more of the traffic than in the one or the other world, unless it has the pods for
    it; and nothing may begin to select a version that has no available pod.
    """
    available = {rs.pod_template_hash: rs.available_replicas for rs in before.replica_sets}
    # A Service that was never switched selects the pods of all versions.
    available[""] = sum(available.values())
    old, new = selections(before), selections(after)
    if any(old.get(name) != chosen and not available.get(chosen) for name, chosen in new.items()):
        return False
    ends = [_most(world, routes(world)) for world in (before, after)]
    for selected in _mixtures(old, new):
        for weights in (*routes(before), *routes(after)):
            for name, weight in loads(selected, weights).items():
                allowed = max(end.get(name, 0) for end in ends)
                if weight > allowed and available.get(name, 0) < needed(before.rollout, weight):
                    return False
    return True


def keeps_pods(before: World, after: World) -> bool:
    """Tell whether every version that gets requests keeps the pods for them, or as many as it had before."""
    left = {rs.pod_template_hash: rs.replicas for rs in after.replica_sets}
    available = {rs.pod_template_hash: rs.available_replicas for rs in before.replica_sets}
    return all(
        left.get(name, 0) >= min(available.get(name, 0), needed(before.rollout, weight))
        for name, weight in _most(before, routes(before)).items()
    )


def _most(world: World, ways: tuple[Weights, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for weights in ways:
        for name, weight in loads(selections(world), weights).items():
            found[name] = max(found.get(name, 0), weight)
    return found


def _mixtures(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[dict[str, str]]:
    names = sorted(old.keys() | new.keys())
    choices = [dict.fromkeys((old.get(name, ""), new.get(name, ""))) for name in names]
    for chosen in product(*choices):
        yield dict(zip(names, chosen, strict=True))


def _services(rollout: Rollout) -> list[str]:
    canary, blue_green = rollout.canary, rollout.blue_green
    names = [canary.stable_service, canary.canary_service] if canary else []
    names += (
        [str((canary.ping_pong or {}).get(field) or "") for field in ("pingService", "pongService")] if canary else []
    )
    names += [blue_green.active_service, blue_green.preview_service] if blue_green else []
    return [name for name in dict.fromkeys(names) if name]
