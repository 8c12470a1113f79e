"""Settings of a Rollout that have no effect.

Sources in ``rollout/`` and ``utils/`` of Argo Rollouts v1.9.1: ``CheckMinPodsPerReplicaSet``,
``GetAbortScaleDownDelaySecondsOrDefault``, ``scaleDownOldReplicaSetsForCanary``,
``CalculateReplicaCountsForTrafficRoutedCanary``, ``CompletedBlueGreenPause``, ``SetHeaderRoute`` of each router.
"""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.rollouts.checks.report import Path
from renderer.rollouts.controller.routers import ROUTERS, router_for
from renderer.rollouts.model.spec import CANARY, ROUTING
from renderer.verbs.lint.context import Context, Subject

BLUE_GREEN: Path = ("spec", "strategy", "blueGreen")
NEED_A_ROUTER = ("minPodsPerReplicaSet", "abortScaleDownDelaySeconds", "scaleDownDelayRevisionLimit")


def ignored_settings(context: Context) -> Iterator[Finding]:
    """Yield the settings that the controller does not read."""
    for subject in context.subjects():
        for path, why in _ignored(subject):
            if subject.at(*path) is not None:
                yield subject.finding(path, f"has no effect {why}", "remove it")


def _ignored(subject: Subject) -> Iterator[tuple[Path, str]]:
    if subject.at(*CANARY) is not None and subject.at(*ROUTING) is None:
        for key in NEED_A_ROUTER:
            yield (*CANARY, key), "without trafficRouting"
    if subject.at(*ROUTING) is not None:
        yield (*CANARY, "maxSurge"), "with trafficRouting: the canary comes in addition to all stable pods"
        if subject.at(*CANARY, "dynamicStableScale") is True:
            yield (*CANARY, "scaleDownDelayRevisionLimit"), "with dynamicStableScale: nothing is scaled down later"
        routers = [router for router in ROUTERS if subject.at(*ROUTING, router) is not None]
        if routers and not any(router_for(router).route_steps for router in routers):
            yield (*ROUTING, "managedRoutes"), f"with {' and '.join(routers)}, which has no such routes"
    if subject.at(*BLUE_GREEN, "autoPromotionEnabled") is False and subject.integer(
        *BLUE_GREEN, "autoPromotionSeconds"
    ):
        yield (*BLUE_GREEN, "autoPromotionSeconds"), "with autoPromotionEnabled: false"
