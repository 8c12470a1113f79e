"""An analysis is a gate: nothing measures, and a person records the result."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.moves import advance, wait
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup, settle
from renderer.rollouts.controller.gates import open_gate
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.world import World
from tests.rollouts.controller.conftest import MakeWorld

ANALYSIS: dict[str, Any] = {"templates": [{"templateName": "success-rate"}]}
STEPS: list[dict[str, Any]] = [{"setWeight": 20}, {"analysis": ANALYSIS}, {"setWeight": 60}]


def released(world: World, image: str = "registry.example.com/web:2") -> World:
    return settle(actions.set_image(world, "*", image)).world


def index(world: World) -> int | None:
    return world.status.current_step_index


def selected(world: World, name: str) -> str:
    body = world.service(name)
    assert body is not None
    return str(body["spec"]["selector"][HASH_LABEL])


def test_an_analysis_step_holds_until_it_is_promoted(nginx: MakeWorld) -> None:
    world = released(nginx(steps=STEPS))
    run = world.status.canary.current_step_analysis_run_status
    assert run is not None
    assert (run.name, run.status) == (f"web-{world.status.current_pod_hash}-2-1", "Running")
    assert (index(world), open_gate(world.rollout, world.status)) == (1, "analysis")
    assert (world.status.phase, world.status.pause_conditions) == ("Progressing", ())
    assert next_wakeup(world) is None
    promoted = settle(actions.promote(world)).world
    assert promoted.status.canary.current_step_analysis_run_status is None
    assert (index(promoted), promoted.status.stable_rs) == (3, promoted.status.current_pod_hash)


def test_a_result_ends_an_analysis_step(nginx: MakeWorld) -> None:
    world = released(nginx(steps=STEPS))
    passed = settle(actions.record_analysis(world, "Successful")).world
    assert index(passed) == 3
    failed = settle(actions.record_analysis(world, "Failed", "p99 is 2s")).world
    assert (failed.status.abort, failed.status.phase) == (True, "Degraded")
    assert failed.status.message.endswith("Step-based analysis phase error/failed: p99 is 2s")


def test_an_inconclusive_analysis_pauses(nginx: MakeWorld) -> None:
    world = settle(actions.record_analysis(released(nginx(steps=STEPS)), "Inconclusive")).world
    run = world.status.canary.current_step_analysis_run_status
    assert run is not None
    assert run.status == "Inconclusive"
    assert [condition.reason for condition in world.status.pause_conditions] == ["InconclusiveAnalysis"]
    assert (world.status.phase, index(world)) == ("Paused", 1)
    promoted = settle(actions.promote(world)).world
    assert index(promoted) == 3


def test_an_abort_goes_back_and_a_retry_analyses_again(nginx: MakeWorld) -> None:
    world = released(nginx(steps=[{"analysis": ANALYSIS}, {"setWeight": 20}]))
    aborted = settle(actions.abort(world)).world
    assert aborted.status.canary.current_step_analysis_run_status is None
    again = settle(actions.retry(aborted)).world
    run = again.status.canary.current_step_analysis_run_status
    assert run is not None
    assert (run.name, run.status) == (f"web-{world.status.current_pod_hash}-2-0", "Running")
    assert index(again) == 0


def test_before_v1_10_an_aborted_release_keeps_its_run(nginx: MakeWorld) -> None:
    begun = replace(nginx(steps=[{"analysis": ANALYSIS}, {"setWeight": 20}]), controller_version="1.9")
    world = released(begun)
    aborted = settle(actions.abort(world)).world
    run = aborted.status.canary.current_step_analysis_run_status
    assert run is not None
    assert (run.status, run.message) == ("Successful", "Run Terminated")
    again = settle(actions.retry(aborted)).world
    run = again.status.canary.current_step_analysis_run_status
    assert run is not None
    assert (run.name, run.status) == (f"web-{world.status.current_pod_hash}-2-0.1", "Running")
    assert index(again) == 0


def test_two_analysis_steps_are_two_gates(nginx: MakeWorld) -> None:
    world = released(nginx(steps=[{"analysis": ANALYSIS}, {"analysis": ANALYSIS}]))
    second = settle(actions.promote(world)).world
    run = second.status.canary.current_step_analysis_run_status
    assert run is not None
    assert (index(second), run.name[-2:]) == (1, "-1")


def test_the_first_release_is_not_analysed(nginx: MakeWorld, blue_green: MakeWorld) -> None:
    world = nginx(steps=STEPS, analysis=ANALYSIS)
    assert (index(world), world.status.phase) == (3, "Healthy")
    world = blue_green(prePromotionAnalysis=ANALYSIS, postPromotionAnalysis=ANALYSIS)
    assert (world.status.phase, world.status.blue_green.pre_promotion_analysis_run_status) == ("Healthy", None)


def test_a_full_promotion_skips_analysis(nginx: MakeWorld, blue_green: MakeWorld) -> None:
    for world in (
        nginx(steps=STEPS, analysis=ANALYSIS),
        blue_green(prePromotionAnalysis=ANALYSIS, postPromotionAnalysis=ANALYSIS),
    ):
        done = settle(actions.promote_full(released(world))).world
        assert done.status.stable_rs == done.status.current_pod_hash != world.status.stable_rs


def test_a_background_analysis_holds_the_last_step(nginx: MakeWorld) -> None:
    steps = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}]
    world = released(nginx(steps=steps, analysis={**ANALYSIS, "startingStep": 1}))
    run = world.status.canary.current_background_analysis_run_status
    assert run is not None
    assert (index(world), run.name, run.status) == (1, f"web-{world.status.current_pod_hash}-2", "Running")
    assert open_gate(world.rollout, world.status) == ""
    last = settle(actions.promote(world)).world
    assert (index(last), open_gate(last.rollout, last.status)) == (2, "background analysis")
    done = settle(actions.promote(last)).world
    assert (index(done), done.status.stable_rs) == (3, done.status.current_pod_hash)
    assert done.status.canary.current_background_analysis_run_status is None


def test_a_background_analysis_begins_at_its_step_and_may_fail(nginx: MakeWorld) -> None:
    early = released(nginx(steps=[{"setWeight": 20}, {"pause": {}}], analysis={**ANALYSIS, "startingStep": 2}))
    assert early.status.canary.current_background_analysis_run_status is None
    world = released(nginx(steps=[{"setWeight": 20}, {"pause": {}}], analysis=ANALYSIS))
    failed = settle(actions.record_analysis(world, "Error")).world
    assert failed.status.abort
    assert failed.status.message.endswith("Background analysis phase error/failed")


def test_a_pause_ended_by_a_person_is_the_result_of_the_background_analysis(nginx: MakeWorld) -> None:
    world = released(nginx(steps=[{"setWeight": 20}, {"pause": {"duration": 60}}], analysis=ANALYSIS))
    late = settle(replace(world, now=next_wakeup(world) or world.now)).world
    assert (index(late), open_gate(late.rollout, late.status)) == (1, "background analysis")
    assert next_wakeup(late) is None
    assert index(settle(actions.promote(late)).world) == 2
    assert index(settle(actions.promote(world)).world) == 2


def test_a_pre_promotion_analysis_holds_the_switch(blue_green: MakeWorld) -> None:
    world = released(blue_green(prePromotionAnalysis=ANALYSIS))
    run = world.status.blue_green.pre_promotion_analysis_run_status
    assert run is not None
    assert (run.name, run.status) == (f"web-{world.status.current_pod_hash}-2-pre", "Running")
    assert selected(world, "active") == world.status.stable_rs != selected(world, "preview")
    assert open_gate(world.rollout, world.status) == "prePromotionAnalysis"
    done = settle(actions.promote(world)).world
    assert selected(done, "active") == done.status.stable_rs == world.status.current_pod_hash
    failed = settle(actions.record_analysis(world, "Failed")).world
    assert failed.status.message.endswith("Blue/green pre-promotion analysis phase error/failed")
    assert selected(failed, "active") == world.status.stable_rs


def test_the_pause_comes_after_the_pre_promotion_analysis(blue_green: MakeWorld) -> None:
    world = released(blue_green(prePromotionAnalysis=ANALYSIS, autoPromotionEnabled=False))
    assert world.status.pause_conditions == ()
    paused = settle(actions.promote(world)).world
    assert [condition.reason for condition in paused.status.pause_conditions] == ["BlueGreenPause"]
    assert selected(paused, "active") == world.status.stable_rs
    done = settle(actions.promote(paused)).world
    assert done.status.stable_rs == world.status.current_pod_hash


def test_a_post_promotion_analysis_holds_the_stable_mark_and_the_old_pods(blue_green: MakeWorld) -> None:
    world = released(blue_green(postPromotionAnalysis=ANALYSIS))
    old, new = world.status.stable_rs, world.status.current_pod_hash
    run = world.status.blue_green.post_promotion_analysis_run_status
    assert run is not None
    assert (run.name, run.status) == (f"web-{new}-2-post", "Running")
    assert (selected(world, "active"), old != new) == (new, True)
    late = settle(replace(world, now=world.now.replace(year=2027))).world
    assert {rs.replicas for rs in late.replica_sets} == {5}
    done = settle(actions.promote(late)).world
    assert done.status.stable_rs == new
    back = settle(actions.abort(late)).world
    assert (selected(back, "active"), back.status.stable_rs) == (old, old)


def test_a_person_decides_an_inconclusive_blue_green_analysis(blue_green: MakeWorld) -> None:
    world = settle(actions.record_analysis(released(blue_green(prePromotionAnalysis=ANALYSIS)), "Inconclusive")).world
    assert [condition.reason for condition in world.status.pause_conditions] == ["InconclusiveAnalysis"]
    done = settle(actions.promote(world)).world
    assert done.status.stable_rs == world.status.current_pod_hash


@pytest.mark.parametrize("kind", ["canary", "blueGreen"])
def test_a_release_with_gates_completes(nginx: MakeWorld, blue_green: MakeWorld, kind: str) -> None:
    steps = [{"analysis": ANALYSIS}, {"setWeight": 20}, {"pause": {}}, {"analysis": ANALYSIS}, {"setWeight": 100}]
    if kind == "canary":
        world = nginx(steps=steps, analysis=ANALYSIS)
    else:
        analyses = {"prePromotionAnalysis": ANALYSIS, "postPromotionAnalysis": ANALYSIS}
        world = blue_green(**analyses, autoPromotionEnabled=False)
    moves = list(course(actions.set_image(world, "*", "registry.example.com/web:2")))
    last = moves[-1][0].after
    assert (last.status.stable_rs, last.status.phase) == (last.status.current_pod_hash, "Healthy")
    reasons = [reason.reason for _, reason in moves]
    gates = {
        "canary": ["", "analysis", "CanaryPauseStep", "analysis", "background analysis", ""],
        "blueGreen": ["", "prePromotionAnalysis", "BlueGreenPause", "postPromotionAnalysis", ""],
    }
    assert reasons == gates[kind]


def test_only_a_person_ends_a_gate(nginx: MakeWorld) -> None:
    move = advance(actions.set_image(nginx(steps=STEPS), "*", "registry.example.com/web:2"))
    assert move is not None
    assert index(move.after) == 1
    later = replace(move.after, now=move.after.now.replace(year=2027))
    assert advance(later) is None
    assert wait(later).reason == "analysis"


def test_a_step_without_templates_has_no_run_and_holds(nginx: MakeWorld) -> None:
    world = released(nginx(steps=[{"setWeight": 20}, {"analysis": {}}], analysis={}))
    assert world.status.canary.current_step_analysis_run_status is None
    assert (index(world), open_gate(world.rollout, world.status)) == (1, "analysis")
    assert index(settle(actions.promote(world)).world) == 2
