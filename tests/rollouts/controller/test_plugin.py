"""A plugin's step is a gate: nothing calls the plugin."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup, settle
from renderer.rollouts.controller.gates import open_gate
from renderer.rollouts.model.world import World
from tests.rollouts.controller.conftest import MakeWorld

GATES = frozenset({"example/smoke"})
STEPS: list[dict[str, Any]] = [{"setWeight": 20}, {"plugin": {"name": "example/smoke"}}, {"setWeight": 60}]


def released(world: World) -> World:
    return settle(actions.set_image(world, "*", "registry.example.com/web:2")).world


def with_gates(nginx: MakeWorld, steps: list[dict[str, Any]]) -> World:
    return settle(replace(nginx(settled=False, steps=steps), plugin_gates=GATES)).world


def test_it_holds_until_it_is_promoted(nginx: MakeWorld) -> None:
    world = released(with_gates(nginx, STEPS))
    assert (world.status.current_step_index, open_gate(world.rollout, world.status)) == (1, "plugin")
    assert next_wakeup(world) is None
    later = replace(world, now=world.now.replace(year=2027))
    assert settle(later).world == later
    assert settle(actions.promote(world)).world.status.current_step_index == 3


def test_it_is_refused_without_a_setting(nginx: MakeWorld) -> None:
    with pytest.raises(RollstepError, match="does not call example/smoke"):
        nginx(steps=STEPS)
