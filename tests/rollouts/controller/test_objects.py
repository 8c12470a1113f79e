"""A release's own fields of a user's objects are carried over from the last render, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.managed_objects import carry_over, created_objects, edited_objects, named_objects
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import SIMULATED
from renderer.rollouts.simulator.api_server import default_object, in_namespace
from renderer.rollouts.simulator.scenario import read_scenario, simulate

DATA = Path(__file__).parents[2] / "data" / "conformance" / "scenarios"
SCENARIOS = sorted(path for path in DATA.glob("*/*.yaml") if "patchObject" not in path.read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """Return ``value`` without empty maps, which equal missing ones."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item != {}}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_users_file_and_what_was_rendered_make_what_was_rendered(path: Path) -> None:
    scenario = read_scenario(path.read_text(encoding="utf-8"), str(path))
    written = {in_namespace(item): default_object(item.body) for item in scenario.manifests if item.kind != "Rollout"}
    for frame in simulate(scenario):
        rollout = frame.world.rollout
        assert set(frame.world.objects) <= set(written) | set(created_objects(rollout))
        for key, body in frame.world.objects.items():
            if key in edited_objects(rollout):
                assert plain(carry_over(rollout, written[key], body)) == plain(body), (frame.action, key)
            elif key in written:
                assert body == written[key]


def canary(routing: dict[str, Any], **more: Any) -> Rollout:
    strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing, **more}
    metadata = {"name": "web", "namespace": SIMULATED}
    return Rollout.from_body({"metadata": metadata, "spec": {"strategy": {"canary": strategy}}})


def virtual_service(*weights: int, timeout: str = "1s", extra: list[Body] | None = None) -> dict[str, Any]:
    hosts = ("stable", "canary")
    route = [{"destination": {"host": host}, "weight": weight} for host, weight in zip(hosts, weights, strict=False)]
    http = [*(extra or []), {"name": "main", "timeout": timeout, "route": route}]
    metadata = {"name": "web"}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": metadata,
        "spec": {"http": http},
    }


def test_a_users_change_to_a_virtual_service_is_kept_beside_the_weights() -> None:
    rollout = canary({"istio": {"virtualService": {"name": "web"}}, "managedRoutes": [{"name": "beta"}]})
    beta = {"name": "beta", "match": [], "route": []}
    rendered = virtual_service(80, 20, extra=[beta])
    carried = carry_over(rollout, virtual_service(100, 0, timeout="9s"), rendered)
    assert carried == virtual_service(80, 20, timeout="9s", extra=[beta])


def test_changed_destinations_begin_with_the_users_weights() -> None:
    rollout = canary({"istio": {"virtualService": {"name": "web"}}})
    wanted = virtual_service(100)
    assert carry_over(rollout, wanted, virtual_service(80, 20)) == wanted


def test_the_destinations_of_an_experiment_stay_behind_the_users() -> None:
    template = {"name": "trial", "specRef": "canary", "weight": 5}
    steps = [{"setWeight": 20}, {"experiment": {"templates": [template]}}]
    rollout = canary({"istio": {"virtualService": {"name": "web"}}}, steps=steps)
    rendered = virtual_service(75, 20)
    added = {"destination": {"host": "web-abc-2-1-trial"}, "weight": 5}
    rendered["spec"]["http"][0]["route"].append(added)
    assert carry_over(rollout, virtual_service(100, 0), rendered) == rendered


def test_named_objects_name_their_fields() -> None:
    routing = {"traefik": {"weightedTraefikServiceName": "web"}, "ambassador": {"mappings": ["a", "b"]}}
    fields = [named.field for named in named_objects(canary(routing))]
    assert fields == [
        "spec.strategy.canary.stableService",
        "spec.strategy.canary.canaryService",
        "spec.strategy.canary.trafficRouting.ambassador.mappings[0]",
        "spec.strategy.canary.trafficRouting.ambassador.mappings[1]",
        "spec.strategy.canary.trafficRouting.traefik.weightedTraefikServiceName",
    ]


def test_a_router_is_found_under_each_of_its_api_groups() -> None:
    rollout = canary({"traefik": {"weightedTraefikServiceName": "web"}})
    assert {
        ObjectKey(group, "TraefikService", SIMULATED, "web") for group in ("traefik.io", "traefik.containo.us")
    } <= set(edited_objects(rollout))
