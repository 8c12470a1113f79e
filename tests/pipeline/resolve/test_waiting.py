"""The version that waits, and the world of the running release."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from renderer.pipeline.resolve.moves import react
from renderer.pipeline.resolve.verb_moves import acting
from renderer.pipeline.resolve.waiting import waiting_version, with_running_template
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from tests.support.worlds import api, web, with_image

STRATEGIES = {
    "canary": web(),
    "anti-affinity": web(antiAffinity={"requiredDuringSchedulingIgnoredDuringExecution": {}}),
    "ephemeral metadata": web(canaryMetadata={"labels": {"role": "canary"}}, stableMetadata={"labels": {"role": "s"}}),
    "blue-green": api(),
}


def releasing(world: World) -> World:
    """Return the world after the first step of another version."""
    begun = with_image(world, "registry.example.com/shop/web:2.0.0")
    return react(begun, since=world).after


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_release_under_way_is_its_own_version(name: str) -> None:
    world = releasing(STRATEGIES[name])
    assert waiting_version(world) == ""
    assert with_running_template(world) is world


@pytest.mark.parametrize("name", STRATEGIES)
def test_another_version_waits_and_the_running_one_goes_on_as_without_it(name: str) -> None:
    world = releasing(STRATEGIES[name])
    waiting = with_image(world, "registry.example.com/shop/web:3.0.0")
    assert waiting_version(waiting) == "3.0.0"
    running = with_running_template(waiting)
    assert waiting_version(running) == ""
    for action in (actions.abort, actions.pause, lambda world: actions.scale(world, 9)):
        expected, found = (acting(action)(one) for one in (world, waiting))
        assert expected is not None
        assert found is not None
        assert found.after.status == expected.after.status
        assert found.after.replica_sets == expected.after.replica_sets
        assert found.after.objects == expected.after.objects


def test_another_template_with_the_same_images_waits_as_well() -> None:
    world = releasing(web())
    template = world.rollout.template
    metadata = {**template["metadata"], "annotations": {"note": "new"}}
    changed = actions.apply(
        world,
        {**world.rollout.body, "spec": {**world.rollout.body["spec"], "template": {**template, "metadata": metadata}}},
    )
    assert waiting_version(changed) == "another pod template"


def test_nothing_waits_before_the_first_release() -> None:
    world = web()
    new = replace(world, replica_sets=(), status=replace(world.status, current_pod_hash="", stable_rs=""))
    assert waiting_version(new) == ""
    assert with_running_template(new) is new
