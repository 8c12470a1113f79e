"""Ends of commits: a render of a committed step changes nothing, and any step can be computed directly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.kubernetes.manifest import Manifest
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.resolve.commit_content import differs, next_state, rendered
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.moves import advance, at_step, react, steps_of, wait
from renderer.pipeline.resolve.resolve import resolve
from renderer.pipeline.resolve.verb_moves import beginning, promoting
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup
from renderer.rollouts.model.world import World
from renderer.verbs.show.plan import make_plan, plan_world
from tests.support.worlds import api, app_of, web, with_image

NGINX = {"nginx": {"stableIngress": "web"}}
PODS: dict[str, Any] = {"trafficRouting": None, "stableService": None, "canaryService": None}
"""A canary without traffic routing."""

STRATEGIES: dict[str, World] = {
    "nginx": web(),
    "pods": web(**PODS),
    "pods without steps": web(**PODS, steps=None),
    "nginx without steps": web(steps=None),
    "dynamic stable scale": web(dynamicStableScale=True),
    "blue-green": api(autoPromotionSeconds=120),
    "preview replicas": api(previewReplicaCount=1, autoPromotionEnabled=False),
    "automatic": api(autoPromotionEnabled=None, previewService=None),
}


def committed(world: World) -> World:
    """Return the world as the next command reads it from git."""
    state = load_state(dump_state(next_state(None, world)), "status.yaml")
    sources = app_of(f"prod/{world.rollout.name}").manifests
    found = [Manifest(body) for body in rendered(world).values()]
    return resolve(world.rollout, sources, state, found, world.now, world.controller_version).world


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_render_after_every_move_changes_nothing(name: str) -> None:
    world = with_image(STRATEGIES[name], "registry.example.com/shop/web:2.0.0")
    begun = beginning(lambda same: same)(world)
    assert begun is not None
    worlds = [begun.after, *(move.after for move, _ in course(begun.after))]
    assert len(worlds) > 1
    for after in worlds:
        found = committed(after)
        assert not differs(found, react(found).after)
        assert [rs.replicas for rs in found.replica_sets] == [
            rs.replicas for rs in sorted(after.replica_sets, key=lambda rs: rs.name)
        ]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_release_follows_its_plan(name: str) -> None:
    world = with_image(STRATEGIES[name], "registry.example.com/shop/web:2.0.0")
    planned = make_plan(world).commits
    happened = []
    for _ in range(20):
        move = advance(world)
        if move is None:
            time = next_wakeup(world)
            if time is not None:
                assert advance(replace(world, now=time - timedelta(seconds=1))) is None
                world = replace(world, now=time)
                move = advance(world)
            elif wait(world).reason:
                move = promoting(actions.promote)(world)
        if move is None:
            break
        world = committed(move.after)
        happened.append({rs.name: rs.replicas for rs in world.replica_sets if rs.replicas})
    assert happened == [{rs.name: rs.replicas for rs in row.replica_sets if rs.replicas} for row in planned]
    assert world.status.stable_rs == world.status.current_pod_hash
    assert world.status.phase == "Healthy"


def test_the_next_release_follows_its_plan() -> None:
    for world in STRATEGIES.values():
        planned = plan_world(world)
        assert planned.is_next
        begun = beginning(lambda same: same)(with_image(world, "registry.example.com/shop/web:2.0.0"))
        assert begun is not None
        rows = make_plan(begun.after).commits
        assert [(row.action, row.starts, row.ends) for row in planned.commits[1:]] == [
            (row.action, row.starts, row.ends) for row in rows
        ]


STEP = st.one_of(
    st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
    st.sampled_from([{"pause": {}}, {"pause": {"duration": 60}}]),
    st.integers(0, 8).map(lambda replicas: {"setCanaryScale": {"replicas": replicas}}),
    st.just({"setCanaryScale": {"matchTrafficWeight": True}}),
)


@settings(max_examples=30)
@given(steps=st.lists(STEP, min_size=1, max_size=6), replicas=st.integers(0, 12))
def test_at_step_equals_the_moves_up_to_that_step(steps: list[Any], replicas: int) -> None:
    world = web(steps=steps)
    world = with_image(replace(react(actions.scale(world, replicas)).after, now=world.now), "example.com/web:2")
    at: dict[int, World] = {}
    for move, _ in course(world):
        index = move.after.status.current_step_index
        assert index is not None
        at.setdefault(index, move.after)
    begun = react(world).after
    for index, after in at.items():
        if index < len(steps) and steps[index].get("pause") is None:
            assert _weights(at_step(begun, index)) == _weights(after), index


@settings(max_examples=30)
@given(steps=st.lists(STEP, min_size=1, max_size=6), replicas=st.integers(0, 12))
def test_releases_end_and_each_commit_is_one_step_or_more(steps: list[Any], replicas: int) -> None:
    world = web(steps=steps)
    world = with_image(replace(react(actions.scale(world, replicas)).after, now=world.now), "example.com/web:2")
    indexes = []
    for move, _ in course(world):
        found = committed(move.after)
        assert not differs(found, react(found).after)
        indexes.append(move.after.status.current_step_index)
        world = move.after
    assert indexes == sorted(indexes, key=lambda index: index or 0)
    assert world.status.stable_rs == world.status.current_pod_hash
    assert indexes[-1] == len(steps_of(world))


def _weights(world: World) -> Any:
    pods = {rs.name: rs.replicas for rs in world.replica_sets}
    weights = world.status.canary.weights
    return pods, (weights.canary.weight, weights.stable.weight) if weights else None


def test_a_release_without_pauses_takes_a_commit_for_each_step() -> None:
    world = with_image(
        web(steps=[{"setWeight": 20}, {"setWeight": 40}, {"setWeight": 60}]), "registry.example.com/shop/web:2.0.0"
    )
    assert react(world).after.status.current_step_index == 0
    move = advance(world)
    assert move is not None
    assert move.after.status.current_step_index == 0
    assert [entry.after.status.current_step_index for entry, _ in course(world)] == [0, 1, 2, 3, 3]
