"""Sums of pods, and weights and sizes from the steps (``utils/replicaset/canary.go``, ``replicaset.go``).

Weights are out of ``maxTrafficWeight``, replicas are whole pods.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from renderer.rollouts.controller.defaults import abort_scale_down_delay, max_traffic_weight
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC, NO_CORRECTIONS
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.spec import CanaryStep, CanaryStrategy, IntOrString, SetCanaryScale
from renderer.rollouts.model.status import RolloutStatus


def total_replicas(replica_sets: Iterable[ReplicaSet | None]) -> int:
    """Return the sum of ``spec.replicas``."""
    return sum(rs.replicas for rs in replica_sets if rs is not None)


def total_available(replica_sets: Iterable[ReplicaSet | None]) -> int:
    """Return the sum of available pods."""
    return sum(rs.available_replicas for rs in replica_sets if rs is not None)


def scaled_value(value: IntOrString, total: int, *, round_up: bool) -> int:
    """Return a number unchanged, a percentage as its share of ``total`` (Kubernetes ``intstr`` v0.34).

    As in the controller, text without a percent sign is a percentage, and invalid text is 0.
    """
    if isinstance(value, int):
        return value
    digits = value.replace("%", "")
    try:
        percent = int(digits)
    except ValueError:
        return 0
    return -(-percent * total // 100) if round_up else percent * total // 100


def _fenceposts(canary: CanaryStrategy, replicas: int) -> tuple[int, int]:
    surge = scaled_value(canary.max_surge, replicas, round_up=True)
    unavailable = scaled_value(canary.max_unavailable, replicas, round_up=False)
    # Both can be zero because one is rounded down; no pod could be replaced then.
    return (surge, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def max_surge(rollout: Rollout) -> int:
    """Return the number of pods allowed beyond ``spec.replicas``; 0 for blue-green."""
    return _fenceposts(rollout.canary, rollout.replicas)[0] if rollout.canary else 0


def max_unavailable(rollout: Rollout) -> int:
    """Return the number of ``spec.replicas`` that may be unavailable."""
    if rollout.replicas == 0:
        return 0
    if rollout.canary:
        unavailable = _fenceposts(rollout.canary, rollout.replicas)[1]
    else:
        assert rollout.blue_green is not None
        unavailable = scaled_value(rollout.blue_green.max_unavailable, rollout.replicas, round_up=False)
    return min(unavailable, rollout.replicas)


def current_canary_step(rollout: Rollout, status: RolloutStatus) -> tuple[CanaryStep | None, int | None]:
    """Return the current step and its index; (None, index) after the last step, (None, None) without steps."""
    steps = rollout.canary.steps if rollout.canary else ()
    if not steps:
        return None, None
    index = status.current_step_index or 0
    return (steps[index] if index < len(steps) else None), index


def get_current_set_weight(rollout: Rollout, status: RolloutStatus) -> int:
    """Return the last ``setWeight`` up to the current step; 0 after an abort, all traffic after the last step."""
    if status.abort:
        return 0
    step, index = current_canary_step(rollout, status)
    if step is None or index is None or rollout.canary is None:
        return max_traffic_weight(rollout)
    return last_set_weight(rollout.canary.steps[: index + 1])


def last_set_weight(steps: Sequence[CanaryStep]) -> int:
    """Return the last ``setWeight`` in ``steps``; 0 without one."""
    return next((step.set_weight for step in reversed(steps) if step.set_weight is not None), 0)


def use_set_canary_scale(rollout: Rollout, status: RolloutStatus) -> SetCanaryScale | None:
    """Return the current ``setCanaryScale``; None if the canary's replicas follow its weight."""
    canary = rollout.canary
    if canary is None or canary.traffic_routing is None:
        return None
    if status.abort and abort_scale_down_delay(rollout).seconds is not None:
        return None
    step, index = current_canary_step(rollout, status)
    if step is None or index is None:
        return None
    for earlier in reversed(canary.steps[: index + 1]):
        scale = earlier.set_canary_scale
        if scale is not None:
            return None if scale.match_traffic_weight else scale
    return None


def canary_replicas_or_weight(
    rollout: Rollout,
    status: RolloutStatus,
    new_rs: ReplicaSet | None,
    stable_rs: ReplicaSet | None,
    corrections: frozenset[str] = NO_CORRECTIONS,
) -> tuple[int | None, int]:
    """Return (replicas, 0) if a step sets the canary's replicas, else (None, weight)."""
    if status.promote_full or not status.stable_rs or status.current_pod_hash == status.stable_rs:
        return None, max_traffic_weight(rollout)
    scale = use_set_canary_scale(rollout, status)
    if scale is not None:
        if scale.replicas is not None:
            return scale.replicas, 0
        if scale.weight is not None:
            return None, scale.weight
    return None, desired_canary_weight(rollout, status, new_rs, stable_rs, corrections)


def desired_canary_weight(
    rollout: Rollout,
    status: RolloutStatus,
    new_rs: ReplicaSet | None,
    stable_rs: ReplicaSet | None,
    corrections: frozenset[str] = NO_CORRECTIONS,
) -> int:
    """Return the weight that the canary's replicas follow.

    With ``dynamicStableScale`` an aborted release goes back through the steps' weights while the stable ReplicaSet
    grows.  The controller may stop at one of them, since ``minPodsPerReplicaSet`` and ``abortScaleDownDelaySeconds``
    keep pods of the canary; with the correction the stable ReplicaSet grows to its full size at once.
    """
    canary = rollout.canary
    if ABORTED_TRAFFIC in corrections or not (
        status.abort and canary and canary.dynamic_stable_scale and new_rs and stable_rs
    ):
        return get_current_set_weight(rollout, status)
    expected = rollout.replicas - stable_rs.available_replicas
    canary_replicas = max(expected, new_rs.available_replicas)
    for step in reversed(canary.steps):
        if step.set_weight is not None:
            share = traffic_weight_to_replicas(rollout.replicas, step.set_weight, max_traffic_weight(rollout))
            if share < canary_replicas:
                return step.set_weight
    return 0


def traffic_weight_to_replicas(replicas: int, weight: int, max_weight: int) -> int:
    """Return the share of ``replicas`` for ``weight``, rounded up."""
    return math.ceil(weight * replicas / max_weight)
