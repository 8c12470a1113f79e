"""Subsets of the Rollout's Istio DestinationRule, and the ReplicaSets that they select."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.model.rollout import HASH_LABEL, Rollout
from renderer.rollouts.model.world import World

GROUP = "networking.istio.io"


def destination_rule(rollout: Rollout) -> Body:
    """Return ``trafficRouting.istio.destinationRule``; empty if missing."""
    routing = rollout.canary.traffic_routing if rollout.canary is not None else None
    return ((routing.body.get("istio") or {}).get("destinationRule") or {}) if routing is not None else {}


def subset_hashes(world: World) -> list[tuple[str, str]]:
    """Return each subset of the Rollout's DestinationRule with the pod-template-hash that it selects."""
    name = str(destination_rule(world.rollout).get("name", ""))
    rule = world.objects.get(ObjectKey(GROUP, "DestinationRule", world.rollout.namespace, name))
    subsets = ((rule or {}).get("spec") or {}).get("subsets") or []
    return [(subset.get("name"), str((subset.get("labels") or {}).get(HASH_LABEL, ""))) for subset in subsets]
