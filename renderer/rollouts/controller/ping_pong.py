"""Ping-pong Services: two Services that take turns at being stable (``trafficrouting/service_helper.go``)."""

from __future__ import annotations

from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.status import RolloutStatus

PING, PONG = "ping", "pong"


def is_ping_pong(rollout: Rollout) -> bool:
    """Tell whether the Rollout has ping-pong Services."""
    return rollout.canary is not None and rollout.canary.ping_pong is not None


def stable_and_canary_services(rollout: Rollout, status: RolloutStatus, *, prefer_ping_pong: bool) -> tuple[str, str]:
    """Return (stable Service, canary Service).

    With ping-pong Services these are the ones whose turn it is; where the Rollout names plain Services as well, only
    those who prefer ping-pong (the ALB router) take them.
    """
    canary = rollout.canary
    assert canary is not None
    plain = canary.stable_service, canary.canary_service
    if canary.ping_pong is None or (not prefer_ping_pong and plain != ("", "")):
        return plain
    ping, pong = str(canary.ping_pong.get("pingService", "")), str(canary.ping_pong.get("pongService", ""))
    return (ping, pong) if status.canary.stable_ping_pong == PING else (pong, ping)


def next_turn(rollout: Rollout, status: RolloutStatus) -> str:
    """Return whose turn it is to be stable after a promotion; empty without ping-pong Services."""
    if not is_ping_pong(rollout):
        return status.canary.stable_ping_pong
    return PONG if status.canary.stable_ping_pong == PING else PING
