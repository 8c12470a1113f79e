"""Steps with several actions: the controller takes a scale of the canary and routes beside one other action."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.model.corrections import CORRECTIONS
from renderer.rollouts.model.spec import excluding_actions
from renderer.rollouts.model.world import World
from tests.rollouts.controller.conftest import MakeWorld

HEADER = {"setHeaderRoute": {"name": "beta", "match": [{"headerName": "X-Beta", "headerValue": {"exact": "1"}}]}}
MIRROR = {"setMirrorRoute": {"name": "copy", "percentage": 35, "match": [{"path": {"prefix": "/"}}]}}
ISTIO = {
    "managedRoutes": [{"name": "beta"}, {"name": "copy"}],
    "istio": {"virtualService": {"name": "web", "routes": ["main"]}},
}


def virtual_service() -> Body:
    shares = [{"destination": {"host": name}, "weight": weight} for name, weight in (("stable", 100), ("canary", 0))]
    head = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web"}}
    return {**head, "spec": {"hosts": ["web"], "http": [{"name": "main", "route": shares}]}}


def released(world: World) -> World:
    return settle(actions.set_image(settle(world).world, "*", "registry.example.com/web:2")).world


def canary_pods(world: World) -> int:
    rs = world.replica_set_by_hash(world.status.current_pod_hash)
    assert rs is not None
    return rs.replicas


def weight(world: World) -> int:
    assert world.status.canary.weights is not None
    return world.status.canary.weights.canary.weight


def routes(world: World) -> list[str]:
    (body,) = (body for key, body in world.objects.items() if key.kind == "VirtualService")
    return [route["name"] for route in body["spec"]["http"]]


def test_a_scale_of_the_canary_before_any_traffic(nginx: MakeWorld) -> None:
    steps = [{"setCanaryScale": {"replicas": 1}, "setWeight": 0}, {"pause": {}}, {"setWeight": 40}, {"pause": {}}]
    world = released(nginx(steps=steps))
    assert (world.status.current_step_index, canary_pods(world), weight(world)) == (1, 1, 0)
    world = settle(actions.promote(world)).world
    assert (world.status.current_step_index, canary_pods(world), weight(world)) == (3, 1, 40)


def test_a_pause_with_a_scale_waits_with_its_pods(nginx: MakeWorld) -> None:
    world = released(nginx(steps=[{"setCanaryScale": {"replicas": 2}, "pause": {}}]))
    assert (world.status.phase, canary_pods(world), weight(world)) == ("Paused", 2, 0)
    assert settle(actions.promote(world)).world.status.phase == "Healthy"


@pytest.mark.parametrize("corrections", [frozenset[str](), frozenset(CORRECTIONS)], ids=["none", "all"])
def test_routes_come_with_the_weight_of_their_step(routed: MakeWorld, corrections: frozenset[str]) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 10}, {**HEADER, **MIRROR, "setWeight": 30}, {"pause": {}}]
    begun = routed(ISTIO, virtual_service(), canaryService="canary", stableService="stable", steps=steps)
    world = released(replace(begun, corrections=corrections))
    assert (weight(world), routes(world)) == (30, ["beta", "copy", "main"])
    for way in (actions.abort, actions.promote_full):
        after = settle(way(world)).world
        assert (weight(after), routes(after)) == (0, ["main"])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({}, "expected one of setWeight, pause,"),
        ({"setWeight": 1, "pause": {}}, "found setWeight and pause"),
        ({"experiment": {}, "analysis": {}}, "found experiment and analysis"),
        ({"plugin": {}, "setWeight": 1}, "found setWeight and plugin"),
        ({"setCanaryScale": {"replicas": 1}, "analysis": {}}, "the controller would not wait for the analysis"),
    ],
)
def test_actions_that_exclude_each_other(step: dict[str, Any], message: str) -> None:
    assert message in excluding_actions(step)


def test_a_rollout_with_such_a_step_is_not_read(nginx: MakeWorld) -> None:
    with pytest.raises(RollstepError, match="found setWeight and pause"):
        nginx(steps=[{"setWeight": 1, "pause": {}}])


@pytest.mark.parametrize("step", [{**HEADER, "analysis": {}}, {**HEADER, **MIRROR}, {**HEADER, "pause": {}}])
def test_actions_that_may_stand_together(step: dict[str, Any]) -> None:
    assert excluding_actions(step) == ""
