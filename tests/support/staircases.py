"""Releases of many kinds, from which the tests and the page about pictures draw.

``python -m tests.support.staircases`` draws the pictures of the page again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.manifest import Manifest
from renderer.pipeline.resolve.moves import advance, follow_promotion, react
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.api_server import world_of
from renderer.verbs.show.pictures import fenced_mermaid
from renderer.verbs.show.pictures.staircase import Staircase, staircase
from renderer.verbs.show.pictures.svg import svg
from renderer.verbs.show.pictures.table import markdown
from renderer.verbs.show.plan import plan_world
from renderer.verbs.show.planned import Plan
from tests.support.worlds import NOON, PROJECT, api, settled, web, with_image

IMAGE = "registry.example.com/shop/web"
PAUSE: dict[str, Any] = {"pause": {}}
TEN_MINUTES = {"pause": {"duration": "10m"}}
CONTAINER = {
    "name": "main",
    "image": f"{IMAGE}:1.0.0",
    "ports": [{"containerPort": 80, "name": "http"}],
}
MATCH = [{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]
MIRROR = [{"method": {"exact": "GET"}, "path": {"prefix": "/"}}]
EXPERIMENT = {
    "duration": "1h",
    "templates": [
        {"name": "baseline", "specRef": "stable", "weight": 5, "metadata": {"labels": {"role": "baseline"}}},
        {"name": "try", "specRef": "canary", "weight": 10, "replicas": 2, "metadata": {"labels": {"role": "try"}}},
    ],
}
ISTIO = {"virtualService": {"name": "web", "routes": ["primary"]}}
VIRTUAL_SERVICE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "web"},
    "spec": {
        "hosts": ["web"],
        "http": [
            {
                "name": "primary",
                "route": [
                    {"destination": {"host": "stable"}, "weight": 100},
                    {"destination": {"host": "canary"}, "weight": 0},
                ],
            }
        ],
    },
}


def begun(world: World) -> World:
    """Return the world after the first commit of a release of version 2."""
    return react(with_image(world, f"{IMAGE}:2.0.0")).after


def promoted(world: World, times: int) -> World:
    """Return the world after ``times`` steps, the pauses ended by promotions."""
    for _ in range(times):
        move = advance(world) or follow_promotion(world, actions.promote(world))
        assert move is not None
        world = move.after
    return world


def routed(routing: Mapping[str, Any], *bodies: Mapping[str, Any], **canary: Any) -> World:
    """Return a canary with a router after its first release."""
    strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing, **canary}
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
    spec = {"replicas": 5, "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {**spec, "strategy": {"canary": strategy}},
    }
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}},
        }
        for name in ("canary", "stable")
    ]
    return settled(world_of([Manifest(dict(body)) for body in (rollout, *services, *bodies)], NOON))


def sixty_steps() -> list[dict[str, Any]]:
    """Return 30 steps that set a weight, each with a pause."""
    return [step for weight in range(3, 93, 3) for step in ({"setWeight": weight}, PAUSE)]


def experiment() -> World:
    return routed({"smi": {}}, steps=[{"setWeight": 20}, {"experiment": EXPERIMENT}, {"setWeight": 60}, PAUSE])


def routes() -> World:
    routing = {
        "istio": ISTIO,
        "managedRoutes": [{"name": "beta"}, {"name": "copy"}],
    }
    steps = [
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "beta", "match": MATCH}},
        PAUSE,
        {"setMirrorRoute": {"name": "copy", "percentage": 20, "match": MIRROR}},
        {"pause": {"duration": "1h"}},
        {"setMirrorRoute": {"name": "copy"}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
        {"setWeight": 50},
        PAUSE,
    ]
    return routed(routing, VIRTUAL_SERVICE, steps=steps)


def thousandths() -> World:
    steps = [{"setWeight": 5}, PAUSE, {"setWeight": 333}, PAUSE]
    return routed({"istio": ISTIO, "maxTrafficWeight": 1000}, VIRTUAL_SERVICE, steps=steps)


def three_versions() -> World:
    """Return a release that replaces one in progress."""
    world = promoted(begun(web()), 2)
    return react(with_image(replace(world, now=NOON + timedelta(minutes=5)), f"{IMAGE}:3.0.0")).after


def aborted() -> World:
    world = actions.abort(promoted(begun(web()), 1))
    return react(world).after


ANALYSIS = {"analysis": {"templates": [{"templateName": "smoke"}, {"templateName": "latency"}]}}
SCENES: dict[str, Callable[[], World]] = {
    "canary": lambda: promoted(begun(web()), 1),
    "canary-in-phases": lambda: replace(web(), order="phases"),
    "canary-without-router": lambda: web(trafficRouting=None),
    "canary-without-steps": lambda: begun(web(steps=None, trafficRouting=None)),
    "canary-scale": lambda: begun(
        web(steps=[{"setCanaryScale": {"replicas": 2}}, PAUSE, {"setWeight": 20}, PAUSE, {"setWeight": 100}, PAUSE])
    ),
    "dynamic-stable-scale": lambda: promoted(begun(web(dynamicStableScale=True)), 1),
    "experiment": lambda: begun(experiment()),
    "routes": routes,
    "analysis": lambda: begun(web(steps=[{"setWeight": 10}, ANALYSIS, {"setWeight": 50}, TEN_MINUTES])),
    "blue-green": api,
    "blue-green-paused": lambda: begun(api()),
    "aborted": aborted,
    "paused": lambda: react(actions.pause(promoted(begun(web()), 1))).after,
    "one-step": lambda: web(steps=[{"setWeight": 50}]),
    "sixty-steps": lambda: promoted(begun(web(steps=sixty_steps())), 10),
    "set-weight-100": lambda: web(steps=[{"setWeight": 100}, PAUSE]),
    "thousandths": lambda: begun(thousandths()),
    "three-versions": three_versions,
}
"""The world of each release by its name."""


@cache
def plan_of(name: str) -> Plan:
    """Return the plan of a scene."""
    return plan_world(SCENES[name]())


def scene(name: str) -> Staircase:
    """Return the staircase of a scene."""
    return staircase("web", "prod", plan_of(name))


DRAWN = ("canary", "canary-in-phases", "canary-without-router", "blue-green-paused", "experiment", "aborted")
"""The scenes that the page about pictures shows."""
PICTURES = PROJECT / "docs" / "how-to" / "pictures"


PAGE = PICTURES.with_suffix(".md")


def drawings() -> dict[Path, str]:
    """Return the text of each picture of the page by its file, and of the page itself with its other drawings."""
    pictures = {PICTURES / f"{name}.svg": svg([scene(name)]) for name in DRAWN}
    found, page = scene("canary"), PAGE.read_text(encoding="utf-8")
    for pattern, text in ((r"```mermaid\n.*?```\n", fenced_mermaid(found)), (r"\| {2}\| .*?\n(?=\n)", markdown(found))):
        parts = re.split(pattern, page, flags=re.DOTALL)
        assert len(parts) == 2, pattern
        page = text.join(parts)
    return {**pictures, PAGE: page}


if __name__ == "__main__":
    for path, text in drawings().items():
        path.write_text(text, encoding="utf-8")
