"""Each correction: the controller's fault without it, and its absence with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from renderer.pipeline.load.settings_schema import schema_text
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.model.corrections import CORRECTIONS, NO_CORRECTIONS, chosen_corrections
from renderer.rollouts.model.world import World
from tests.rollouts.controller.conftest import MakeWorld


def corrected(world: World, *names: str) -> World:
    """Return the world with some corrections; with all of them if none is named."""
    return replace(world, corrections=frozenset(names or CORRECTIONS))


def released(world: World, image: str = "registry.example.com/web:2") -> World:
    return settle(actions.set_image(world, "*", image)).world


def pods(world: World) -> dict[str, int]:
    """Return the replicas of each version by the tag of its image."""
    return {rs.template["spec"]["containers"][0]["image"].rpartition(":")[2]: rs.replicas for rs in world.replica_sets}


def test_a_correction_has_a_row_in_the_documentation(project: Path) -> None:
    text = (project / "docs" / "corrections.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\S+(?:, \S+)*) \|", text, re.MULTILINE)
    assert dict(rows) == dict(CORRECTIONS)


def test_the_setting_chooses_corrections() -> None:
    first, *_ = CORRECTIONS
    assert chosen_corrections("all") == tuple(CORRECTIONS)
    assert chosen_corrections("none") == ()
    assert chosen_corrections([first]) == (first,)


@pytest.mark.parametrize("names", [(), ("zero-scale-down-delay",)])
def test_zero_scale_down_delay(nginx: MakeWorld, blue_green: MakeWorld, names: tuple[str, ...]) -> None:
    canary = nginx(scaleDownDelaySeconds=0, steps=[{"setWeight": 50}])
    for world in (canary, blue_green(scaleDownDelaySeconds=0)):
        done = released(replace(world, corrections=frozenset(names)))
        assert done.status.phase == "Healthy"
        assert pods(done) == {"1": 0 if names else 5, "2": 5}


def test_a_world_has_no_corrections_by_default(nginx: MakeWorld) -> None:
    assert nginx().corrections == NO_CORRECTIONS


def test_the_schema_knows_every_correction() -> None:
    schema = json.loads(schema_text())["$defs"]["corrections"]
    assert schema["items"]["enum"] == list(CORRECTIONS)
