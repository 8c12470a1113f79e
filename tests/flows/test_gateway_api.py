"""A canary through a route of the Gateway API, commit by commit in a real repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs import test_routers as docs
from tests.docs.test_routers import PAGES
from tests.support.commands import NOON, TWO, Checkout

LABEL = "rollouts.argoproj.io/gatewayapi-canary"
HALF_PAST = "2026-03-01T12:30:00Z"
ONE_O_CLOCK = "2026-03-01T13:00:00Z"
PAGE = PAGES / "gateway-api.md"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Create a repository with the app of the page about the router."""
    made = Checkout(tmp_path / "repo")
    folder = made.root / "environments" / "prod" / "edge"
    folder.mkdir()
    source = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    rollout, rest = source.split("---\n", 1)
    (folder / "rollout.yaml").write_text(rollout, encoding="utf-8")
    (folder / "traffic.yaml").write_text(rest, encoding="utf-8")
    made.commit("Add an app behind a gateway")
    return made


def route(checkout: Checkout) -> Any:
    return checkout.objects("prod/edge", ["HTTPRoute"])["HTTPRoute/web"]


def weights(checkout: Checkout) -> list[dict[str, Any]]:
    """Return the weights of each rule's Services."""
    return [
        {ref["name"]: ref.get("weight") for ref in rule["backendRefs"]} for rule in route(checkout)["spec"]["rules"]
    ]


def test_a_canary_through_a_gateway_commit_by_commit(checkout: Checkout) -> None:
    split = {"legacy": 5}
    checkout.process("advance", "prod/edge", "--now", NOON)
    assert weights(checkout) == [{**split, "web-stable": 100, "web-canary": 0}, {"docs": None}]
    first = route(checkout)

    checkout.run("set", "image", "prod/edge", f"web={TWO}", "--now", NOON)
    assert route(checkout) == first
    checkout.run("advance", "prod/edge", "--now", NOON)
    assert weights(checkout)[2:] == [{"web-canary": None}]
    assert route(checkout)["spec"]["rules"][2]["name"] == "beta"
    assert route(checkout)["metadata"]["labels"][LABEL] == "in-progress"

    checkout.run("promote", "prod/edge", "--now", NOON)
    assert weights(checkout) == [
        {**split, "web-stable": 80, "web-canary": 20},
        {"docs": None},
        {"web-canary": None},
    ]
    before = checkout.snapshot()
    checkout.run("render", "prod/edge")
    assert checkout.snapshot() == before

    # The user's change of the route goes with the next step, and the weights stay.
    checkout.edit("environments/prod/edge/traffic.yaml", "request: 5s", "request: 9s")
    checkout.edit("environments/prod/edge/traffic.yaml", "port: 8080, weight: 5", "port: 8080, weight: 6")
    checkout.commit("Wait longer")
    checkout.run("render", "prod/edge")
    assert weights(checkout)[0] == {"legacy": 6, "web-stable": 80, "web-canary": 20}
    assert route(checkout)["spec"]["rules"][0]["timeouts"] == {"request": "9s"}
    checkout.edit("environments/prod/edge/traffic.yaml", "request: 9s", "request: 5s")
    checkout.edit("environments/prod/edge/traffic.yaml", "port: 8080, weight: 6", "port: 8080, weight: 5")
    checkout.commit("Wait as before")

    checkout.run("advance", "prod/edge", "--now", NOON)
    checkout.run("promote", "prod/edge", "--now", NOON)
    assert weights(checkout)[0] == {**split, "web-stable": 40, "web-canary": 60}
    checkout.run("advance", "prod/edge", "--now", HALF_PAST)
    checkout.run("advance", "prod/edge", "--now", ONE_O_CLOCK)
    assert route(checkout) == first
    assert checkout.replicas("prod/edge") == {"1.0.0": 0, "2.0.0": 5}
    assert checkout.git("status", "--porcelain") == ""


def test_an_abort_leaves_the_route_as_it_was(checkout: Checkout) -> None:
    checkout.process("advance", "prod/edge", "--now", NOON)
    file = checkout.root / "environments/prod/edge/rendered/httproute-web.yaml"
    first = file.read_bytes()
    checkout.run("set", "image", "prod/edge", f"web={TWO}", "--now", NOON)
    for verb in ("advance", "promote", "advance"):
        checkout.run(verb, "prod/edge", "--now", NOON)
    assert len(weights(checkout)) == 3
    assert weights(checkout)[0]["web-canary"] == 20
    checkout.run("abort", "prod/edge", "--now", NOON)
    assert file.read_bytes() == first


def test_a_route_that_is_selected_by_its_labels_is_released(checkout: Checkout) -> None:
    rollout = "environments/prod/edge/rollout.yaml"
    old = "httpRoutes: [{name: web, useHeaderRoutes: true}]"
    checkout.edit(rollout, old, "httpRouteSelector: {matchLabels: {app: web}}")
    steps = (checkout.root / rollout).read_text(encoding="utf-8")
    start, end = steps.index("        - setHeaderRoute:"), steps.index("        - pause: {}")
    (checkout.root / rollout).write_text(steps[:start] + steps[end:], encoding="utf-8")
    checkout.commit("Select routes")
    checkout.run("advance", "prod/edge", "--now", NOON)
    checkout.run("set", "image", "prod/edge", f"web={TWO}", "--now", NOON)
    checkout.run("promote", "prod/edge", "--now", NOON)
    assert weights(checkout) == [{"legacy": 5, "web-stable": 80, "web-canary": 20}, {"docs": None}]


def test_a_missing_route_is_refused_before_a_write(checkout: Checkout) -> None:
    before = checkout.snapshot()[2]
    checkout.edit("environments/prod/edge/rollout.yaml", "[{name: web, useHeaderRoutes: true}]", "[{name: wep}]")
    refused = checkout.run("advance", "prod/edge", "--now", NOON, code=1).stderr
    field = "trafficRouting.plugins.argoproj-labs/gatewayAPI.httpRoutes[0].name"
    assert f'spec.strategy.canary.{field}: HTTPRoute "wep" not found' in refused
    assert "did you mean web?" in refused
    assert "say useHeaderRoutes: true of an HTTPRoute or GRPCRoute" in refused
    assert checkout.snapshot()[2].keys() == before.keys()


def test_another_plugin_is_refused_with_its_line(checkout: Checkout) -> None:
    checkout.edit("environments/prod/edge/rollout.yaml", "argoproj-labs/gatewayAPI:", "example/router:")
    refused = checkout.run("advance", "prod/edge", "--now", NOON, code=1).stderr
    assert "rollout.yaml:23:11: " in refused
    assert "the plugin example/router is not supported" in refused


@pytest.mark.parametrize(
    "holds",
    [
        docs.test_the_example_is_taken,
        docs.test_the_example_shows_what_is_rendered,
        docs.test_the_example_goes_to_its_end,
    ],
)
def test_the_page_shows_the_output(holds: Callable[[str], None]) -> None:
    holds("gateway-api")


def test_the_rendered_manifests_are_valid(assert_valid: Callable[..., None]) -> None:
    files = {}
    for number, frame in enumerate(docs.to_the_end(docs.blocks("gateway-api")[0])):
        for (kind, name), body in docs.objects_of(frame).items():
            files[f"{number}/{kind}-{name}"] = yaml.safe_dump(body)
    assert any("HTTPRoute" in name for name in files)
    assert_valid(files)
