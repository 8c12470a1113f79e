"""``settle``: holding a step, skipping pauses, time, and holding available pods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup, settle
from renderer.rollouts.controller.reconcile import with_available_pods
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.world import World

MakeWorld = Callable[..., World]
IMAGE = "registry.example.com/web:2"
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": "1h"}}]


def updated(world: World, image: str = IMAGE) -> World:
    return actions.set_image(world, "main", image)


def sizes(world: World) -> dict[int, int]:
    return {rs.revision: rs.replicas for rs in world.replica_sets}


def weight(world: World) -> int:
    assert world.status.canary.weights is not None
    return world.status.canary.weights.canary.weight


def test_a_first_release_goes_all_the_way(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    assert (world.status.phase, world.status.current_step_index, sizes(world)) == ("Healthy", 4, {1: 5})
    assert weight(world) == 0


def test_nothing_moves_in_a_settled_world(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    assert settle(world).world == world
    assert settle(world).writes == ()


@pytest.mark.parametrize(("step", "expected"), [(0, (20, 1)), (1, (20, 1)), (2, (60, 3)), (3, (60, 3)), (4, (0, 5))])
def test_a_held_step_is_carried_out_and_not_completed(nginx: MakeWorld, step: int, expected: tuple[int, int]) -> None:
    world = settle(updated(nginx(steps=STEPS)), hold_step=step, skip_pauses=True).world
    assert world.status.current_step_index == step
    assert (weight(world), sizes(world)[2]) == expected
    assert bool(world.status.pause_conditions) is (step in (1, 3))


def test_a_held_step_can_complete_later(nginx: MakeWorld) -> None:
    held = settle(updated(nginx(steps=STEPS)), hold_step=0).world
    assert settle(held).world.status.current_step_index == 1


def test_a_pause_before_the_held_step_stops_without_skip_pauses(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=STEPS)), hold_step=2).world
    assert (world.status.current_step_index, world.status.phase) == (1, "Paused")


def test_a_timed_pause_ends_when_its_time_has_passed(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=STEPS))).world
    assert next_wakeup(world) is None
    world = settle(actions.promote(world)).world
    due = next_wakeup(world)
    assert due == world.now + timedelta(hours=1)
    early = settle(replace(world, now=due - timedelta(seconds=1))).world
    assert early.status.current_step_index == 3
    assert settle(replace(world, now=due)).world.status.phase == "Healthy"


def test_a_scale_down_deadline_is_the_next_wakeup_and_takes_the_old_pods(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=[{"setWeight": 50}], scaleDownDelaySeconds=90))).world
    due = next_wakeup(world)
    assert due == world.now + timedelta(seconds=90)
    assert sizes(world) == {1: 5, 2: 5}
    assert sizes(settle(replace(world, now=due)).world) == {1: 0, 2: 5}


def test_held_pods_hold_the_release(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=STEPS)), hold=True).world
    assert (weight(world), sizes(world)[2]) == (0, 1)
    assert world.status.message == "more replicas need to be updated"
    assert settle(world).world.status.message == "CanaryPauseStep"


def test_no_traffic_goes_to_missing_pods(nginx: MakeWorld) -> None:
    """Every prefix of the writes is safe: the weight rises only after the pods for it are available."""
    world = settle(updated(nginx(steps=STEPS)), hold=True).world
    names = [(write.verb, write.kind) for write in settle(world).writes]
    assert names[0] == ("patch", "Service")
    assert names.index(("patch", "Service")) < names.index(("patch", "Ingress"))


def test_an_abort_sends_all_traffic_back_and_keeps_the_canary_for_a_while(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=STEPS))).world
    done = settle(actions.abort(world))
    assert (done.world.status.phase, weight(done.world), sizes(done.world)) == ("Degraded", 0, {1: 5, 2: 1})
    canary = done.world.service("canary")
    assert canary is not None
    assert canary["spec"]["selector"][HASH_LABEL] == done.world.status.stable_rs
    assert done.loops
    due = next_wakeup(done.world)
    assert due is not None
    later = settle(replace(done.world, now=due))
    assert sizes(later.world)[2] == 0
    assert not later.loops


def test_a_new_template_in_the_middle_replaces_the_canary(nginx: MakeWorld) -> None:
    world = settle(updated(nginx(steps=STEPS))).world
    world = settle(updated(world, "registry.example.com/web:3")).world
    assert sizes(world) == {1: 5, 2: 0, 3: 1}
    assert (world.status.current_step_index, weight(world)) == (1, 20)


def test_changed_steps_begin_again(nginx: MakeWorld) -> None:
    world = settle(actions.promote(settle(updated(nginx(steps=STEPS))).world)).world
    assert world.status.current_step_index == 3
    changed = actions.patch(world, {"spec": {"strategy": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}}})
    world = settle(changed).world
    assert (world.status.current_step_index, weight(world), sizes(world)[2]) == (1, 10, 1)


@pytest.mark.parametrize(
    ("version", "reason"), [("1.9", ""), ("1.10", ': ReplicaSet "web-6cdbd6c9d" has timed out progressing.')]
)
def test_the_progress_deadline_degrades_and_may_abort(nginx: MakeWorld, version: str, reason: str) -> None:
    spec = {"progressDeadlineSeconds": 60, "progressDeadlineAbort": True}
    begun = replace(nginx(steps=STEPS, spec=spec), controller_version=version)
    world = settle(updated(begun), hold=True).world
    due = next_wakeup(world)
    assert due == world.now + timedelta(seconds=60)
    assert not settle(replace(world, now=due - timedelta(seconds=1)), hold=True).world.status.abort
    stuck = settle(replace(world, now=due), hold=True).world
    assert stuck.status.abort
    assert (stuck.status.phase, stuck.status.message) == (
        "Degraded",
        f"RolloutAborted: Rollout aborted update to revision 2{reason}",
    )
    assert sizes(settle(stuck).world) == {1: 5, 2: 1}


def test_a_restart_changes_no_manifest(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    done = settle(actions.restart(world))
    assert done.writes == ()
    assert done.world.status.restarted_at == world.now
    assert done.world.status.phase == "Healthy"


def test_blue_green_waits_for_a_promotion(blue_green: MakeWorld) -> None:
    world = settle(updated(blue_green(autoPromotionEnabled=False))).world
    new = world.status.current_pod_hash
    assert (world.status.message, sizes(world)) == ("BlueGreenPause", {1: 5, 2: 5})
    assert world.status.blue_green.preview_selector == new
    assert world.status.blue_green.active_selector == world.status.stable_rs != new
    done = settle(actions.promote(world)).world
    assert done.status.stable_rs == done.status.blue_green.active_selector == new


def test_blue_green_promotes_itself_after_its_seconds(blue_green: MakeWorld) -> None:
    world = settle(updated(blue_green(autoPromotionSeconds=30))).world
    assert world.status.message == "BlueGreenPause"
    assert next_wakeup(world) == world.now + timedelta(seconds=30)
    done = settle(replace(world, now=world.now + timedelta(seconds=30))).world
    assert done.status.stable_rs == done.status.current_pod_hash


def test_blue_green_shows_a_small_preview_first(blue_green: MakeWorld) -> None:
    world = settle(updated(blue_green(autoPromotionEnabled=False, previewReplicaCount=1))).world
    assert sizes(world) == {1: 5, 2: 1}
    grown = settle(actions.promote(world)).world
    assert sizes(grown)[2] == 5
    assert grown.status.stable_rs == grown.status.current_pod_hash


def test_only_so_many_old_replica_sets_wait_for_their_scale_down(blue_green: MakeWorld) -> None:
    world = blue_green(scaleDownDelayRevisionLimit=1)
    for number in (2, 3, 4):
        world = settle(updated(world, f"registry.example.com/web:{number}")).world
        world = replace(world, now=world.now + timedelta(seconds=2))
    assert sizes(world) == {1: 0, 2: 0, 3: 5, 4: 5}


def test_metadata_follows_the_role(nginx: MakeWorld) -> None:
    metadata = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}}
    world = settle(updated(nginx(steps=STEPS, **metadata))).world

    def roles(world: World) -> dict[int, Any]:
        return {rs.revision: rs.template["metadata"]["labels"].get("role") for rs in world.replica_sets}

    assert roles(world) == {1: "stable", 2: "canary"}
    world = settle(actions.promote_full(world)).world
    assert roles(world) == {1: None, 2: "stable"}


ACTIONS = st.lists(
    st.sampled_from(["image", "promote", "full", "skip", "abort", "retry", "scale", "undo", "wait", "pause", "resume"]),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=ACTIONS, kind=st.sampled_from(["nginx", "basic", "blue_green"]), replicas=st.integers(0, 12))
def test_whatever_happens_the_release_settles_within_its_limits(
    names: list[str], kind: str, replicas: int, nginx: MakeWorld, basic: MakeWorld, blue_green: MakeWorld
) -> None:
    makers = {"nginx": nginx, "basic": basic, "blue_green": blue_green}
    strategy = {"autoPromotionEnabled": False} if kind == "blue_green" else {"steps": STEPS}
    world = makers[kind](spec={"replicas": replicas}, **strategy)
    for number, name in enumerate(names):
        world = settle(_act(world, name, number)).world
        assert settle(world).world == world
        assert with_available_pods(world) == world
        weights = world.status.canary.weights
        if weights is not None:
            assert weights.canary.weight + weights.stable.weight == 100
        if kind == "basic":
            assert sum(sizes(world).values()) <= world.rollout.replicas + -(-world.rollout.replicas // 4)
        if world.status.phase == "Healthy":
            stable = world.replica_set_by_hash(world.status.stable_rs)
            assert stable is not None
            assert stable.replicas == world.rollout.replicas
        world = replace(world, now=world.now + timedelta(seconds=2))


def _act(world: World, name: str, number: int) -> World:
    from renderer.errors import RollstepError

    simple = {"promote": actions.promote, "full": actions.promote_full, "abort": actions.abort, "retry": actions.retry}
    more = {"skip": actions.skip_step, "undo": actions.undo, "pause": actions.pause, "resume": actions.resume}
    try:
        if name == "image":
            return updated(world, f"registry.example.com/web:{number + 2}")
        if name == "scale":
            return actions.scale(world, number)
        if name == "wait":
            return replace(world, now=world.now + timedelta(hours=2))
        return {**simple, **more}[name](world)
    except RollstepError:
        return world
