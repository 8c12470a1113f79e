"""The role and the traffic of each ReplicaSet of a release."""

from __future__ import annotations

from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.spec import CanaryStrategy
from renderer.rollouts.model.world import World


def roles(world: World, replica_set: ReplicaSet) -> tuple[str, ...]:
    """Return the roles of a ReplicaSet: ``stable`` or ``canary``, for blue-green ``stable``, ``active``, ``preview``.

    Source: Argo Rollouts v1.9 ``pkg/kubectl-argo-rollouts/info/replicaset_info.go``.
    """
    name, status = replica_set.pod_template_hash, world.status
    if isinstance(world.rollout.strategy, CanaryStrategy):
        if name == status.stable_rs:
            return ("stable",)
        return ("canary",) if name == status.current_pod_hash else ()
    marks = ["stable"] if name == status.stable_rs else []
    if name == status.blue_green.active_selector:
        marks.append("active")
    elif name == status.blue_green.preview_selector:
        marks.append("preview")
    return tuple(marks)


def traffic_weight(world: World, replica_set: ReplicaSet) -> int:
    """Return a ReplicaSet's share of the traffic, out of ``maxTrafficWeight``.

    That is its weight in the router; without a router its share of the pods, rounded down; for blue-green 100 if it is
    the active one.
    """
    strategy, status, name = world.rollout.strategy, world.status, replica_set.pod_template_hash
    if not isinstance(strategy, CanaryStrategy):
        return 100 if name and name == status.blue_green.active_selector else 0
    if strategy.traffic_routing is None:
        pods = sum(other.replicas for other in world.replica_sets)
        return replica_set.replicas * 100 // pods if pods else 0
    weights = status.canary.weights
    if weights is None:
        return max_traffic_weight(world.rollout) if name and name == status.stable_rs else 0
    destinations = (weights.stable, weights.canary, *weights.additional)
    return sum(destination.weight for destination in destinations if destination.pod_template_hash == name)
