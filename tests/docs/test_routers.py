"""The manifests on the pages about routers are the rendered ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.kubernetes.manifest import Manifest
from renderer.pipeline.resolve.commit_content import rendered
from renderer.rollouts.checks import check
from renderer.rollouts.controller import unsupported_fields
from renderer.rollouts.controller.routers import ROUTERS
from renderer.rollouts.model.corrections import CORRECTIONS
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import SIMULATED
from renderer.rollouts.pod_template import default_rollout
from renderer.rollouts.simulator.scenario import Frame, read_scenario, simulate

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference" / "routers"
NEXT = "web=registry.example.com/shop/web:2.0.0"


def blocks(router: str) -> list[list[dict[str, Any]]]:
    """Return the manifests of each YAML block of a router's page."""
    text = (PAGES / f"{router}.md").read_text(encoding="utf-8")
    return [list(yaml.safe_load_all(block)) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def frames_of(bodies: Sequence[Mapping[str, Any]], *actions: Any) -> list[Frame]:
    """Run manifests through the engine: one frame when they are applied, and one after each action."""
    text = yaml.safe_dump_all([{"kind": "Scenario", "name": "web", "actions": list(actions)}, *bodies])
    return list(simulate(read_scenario(text, "scenario.yaml"), corrections=frozenset(CORRECTIONS)))


def objects_of(frame: Frame) -> dict[tuple[str, str], Any]:
    """Return what is rendered, by kind and name."""
    objects = {**frame.world.objects, **rendered(frame.world)}
    return {(body["kind"], body["metadata"]["name"]): body for body in objects.values()}


def shows(shown: Any, found: Any) -> bool:
    """Return whether ``found`` contains everything in ``shown``; lists must have the same length."""
    if isinstance(shown, dict):
        return isinstance(found, dict) and all(key in found and shows(shown[key], found[key]) for key in shown)
    if isinstance(shown, list):
        same = isinstance(found, list) and len(shown) == len(found)
        return same and all(shows(one, other) for one, other in zip(shown, found, strict=True))
    return bool(shown == found)


def steps_of(bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
    (rollout,) = [body for body in bodies if body["kind"] == "Rollout"]
    steps: list[Any] = rollout["spec"]["strategy"]["canary"]["steps"]
    return steps


def to_the_end(bodies: Sequence[Mapping[str, Any]]) -> list[Frame]:
    """Run the example's second release to its end: every pause is promoted, and the old pods go."""
    pauses = sum("pause" in step for step in steps_of(bodies))
    return frames_of(bodies, {"setImage": NEXT}, *["promote"] * pauses, {"sleep": 60})


PAGE_OF = ("alb", "ambassador", "apisix", "istio", "nginx", "smi", "traefik")
"""The routers whose pages have an example that is tested here."""


def test_every_router_has_a_page():
    readme = (PAGES / "README.md").read_text(encoding="utf-8")
    assert set(PAGE_OF) <= set(ROUTERS)
    assert all(f"[{router}]({router}.md)" in readme for router in PAGE_OF)
    assert {path.stem for path in PAGES.glob("*.md")} >= {*PAGE_OF, "README"}


@pytest.mark.parametrize("router", PAGE_OF)
def test_the_example_is_taken(router: str):
    manifests = [Manifest(body) for body in blocks(router)[0]]
    (rollout,) = [manifest for manifest in manifests if manifest.kind == "Rollout"]
    assert [item.text() for item in check(rollout, [item for item in manifests if item is not rollout])] == []
    assert unsupported_fields(Rollout.from_body(default_rollout(rollout.body))) == ()


@pytest.mark.parametrize("router", PAGE_OF)
def test_the_example_shows_what_is_rendered(router: str):
    bodies, shown = blocks(router)
    promotes = sum("pause" in step for step in steps_of(bodies)[: steps_of(bodies).index({"setWeight": 20})])
    found = objects_of(frames_of(bodies, {"setImage": NEXT}, *["promote"] * promotes)[-1])
    for body in shown:
        assert shows(body, found[body["kind"], body["metadata"]["name"]]), found[body["kind"], body["metadata"]["name"]]


@pytest.mark.parametrize("router", PAGE_OF)
def test_the_example_goes_to_its_end(router: str):
    bodies = blocks(router)[0]
    *_, last = to_the_end(bodies)
    world = last.world
    assert world.status.phase == "Healthy"
    assert world.status.stable_rs == world.status.current_pod_hash
    assert [rs.replicas for rs in world.replica_sets if rs.replicas] == [5]
    # Nothing of the release is left: what is rendered is what the first release rendered, but for the pods' hash.
    first = frames_of(bodies)[0]
    before, after = (re.sub(r"[0-9a-f]{8,10}", "HASH", repr(others(frame))) for frame in (first, last))
    assert before == after


def others(frame: Frame) -> dict[tuple[str, str], Any]:
    return {key: body for key, body in sorted(objects_of(frame).items()) if key[0] != "ReplicaSet"}


def test_the_examples_are_what_the_api_server_takes(assert_valid: Callable[..., None]):
    files = {}
    for router in PAGE_OF:
        for number, frame in enumerate(to_the_end(blocks(router)[0])):
            for (kind, name), body in objects_of(frame).items():
                files[f"{router}/{number}/{kind}-{name}"] = yaml.safe_dump(body).replace(SIMULATED, "shop")
    assert_valid(files, skipped={"Mapping"})
