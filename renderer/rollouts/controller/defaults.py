"""Fields of the spec with the controller's defaults (``utils/defaults/defaults.go``, ``utils/weightutil``)."""

from __future__ import annotations

from msgspec import Struct

from renderer.rollouts.model.rollout import Rollout

DEFAULT_SCALE_DOWN_DELAY_SECONDS = 30
NO_REVISION_LIMIT = 2**31 - 1


class AbortDelay(Struct, frozen=True):
    """Seconds until the canary or preview is scaled down after an abort.

    ``seconds`` is None for never (``abortScaleDownDelaySeconds: 0``); ``was_set`` is false for the default.
    """

    seconds: int | None
    was_set: bool


def max_traffic_weight(rollout: Rollout) -> int:
    """Return ``maxTrafficWeight``, the number that weights are out of; 100 by default."""
    routing = rollout.canary.traffic_routing if rollout.canary else None
    if routing is None or routing.max_traffic_weight is None:
        return 100
    return routing.max_traffic_weight


def scale_down_delay_seconds(rollout: Rollout) -> int:
    """Return the seconds until an old ReplicaSet is scaled down; 0 for a canary without a router."""
    strategy = rollout.strategy
    if rollout.canary is not None and rollout.canary.traffic_routing is None:
        return 0
    delay = strategy.scale_down_delay_seconds
    return DEFAULT_SCALE_DOWN_DELAY_SECONDS if delay is None else delay


def scale_down_delay_revision_limit(rollout: Rollout) -> int:
    """Return how many old ReplicaSets may await their scale-down at once."""
    limit = rollout.strategy.scale_down_delay_revision_limit
    return NO_REVISION_LIMIT if limit is None else limit


def abort_scale_down_delay(rollout: Rollout) -> AbortDelay:
    """Return the delay until the canary or preview is scaled down after an abort."""
    if rollout.canary is not None and rollout.canary.traffic_routing is None:
        return AbortDelay(0, was_set=False)
    delay = rollout.strategy.abort_scale_down_delay_seconds
    if delay is None:
        return AbortDelay(DEFAULT_SCALE_DOWN_DELAY_SECONDS, was_set=False)
    return AbortDelay(delay or None, was_set=True)
