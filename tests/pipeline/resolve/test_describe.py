"""Descriptions of moves and waits in commit subjects, tables and messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.describe import is_promoted, move_text, step_change, traffic_text, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, react, wait
from renderer.pipeline.resolve.verb_moves import acting
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from tests.support.worlds import NOON, api, web, with_image

ROLLING = {"steps": None, "trafficRouting": None}


def released(world: World) -> World:
    return react(with_image(world, "example.com/x:2")).after


def texts(world: World) -> list[str]:
    return [move_text(move) for move, _ in course(world)]


def test_the_moves_of_a_canary_are_its_steps() -> None:
    world = web()
    begun = react(with_image(world, "example.com/x:2"))
    assert move_text(begun) == "setWeight: 20"
    assert texts(begun.after) == ["setWeight: 40", "setWeight: 60", "promoted", "old ReplicaSets scaled down"]


def test_the_moves_of_blue_green_are_its_stages() -> None:
    world = api()
    begun = react(with_image(world, "example.com/x:2"))
    assert move_text(begun) == "preview"
    assert texts(begun.after)[-1] == "old ReplicaSets scaled down"
    assert "promoted" in texts(begun.after)


@pytest.mark.parametrize("more", [{}, {"maxSurge": 1, "maxUnavailable": 0}, {"maxSurge": 0, "maxUnavailable": 1}])
def test_a_rolling_update_ends_with_the_promotion(more: dict[str, Any]) -> None:
    found = texts(released(web(**ROLLING, **more)))
    assert found[-1] == "promoted"
    assert set(found[:-1]) <= {"pods replaced", "scaled down", "scaled up"}
    assert "pods replaced" in found


def test_a_scale_in_either_direction() -> None:
    world = web()
    fewer = acting(lambda world: actions.scale(world, 2))(world)
    more = acting(lambda world: actions.scale(world, 9))(world)
    assert fewer is not None
    assert more is not None
    assert (move_text(fewer), move_text(more)) == ("scaled down", "scaled up")


def test_an_abort_and_the_next_move() -> None:
    world = released(web())
    aborted = acting(actions.abort)(world)
    assert aborted is not None
    assert move_text(aborted) == "aborted"
    later = advance(replace(aborted.after, now=NOON + timedelta(hours=1)))
    assert later is not None
    assert move_text(later) == "scaled down"
    assert traffic_text(aborted.after) == f"100% to 1.0.0 ({world.status.stable_rs})"


def test_a_move_that_changes_nothing_is_an_update_of_manifests() -> None:
    assert move_text(Move(web(), web(), ())) == "manifests updated"


def test_traffic_is_out_of_the_highest_weight() -> None:
    world = released(web())
    new = world.status.current_pod_hash
    assert traffic_text(world) == f"20% to 2 ({new})"
    routing = {"maxTrafficWeight": 1000}
    wide = released(web(trafficRouting=routing))
    assert traffic_text(wide) == f"20/1000 to 2 ({new})"


def test_the_change_of_a_step() -> None:
    world = web()
    move = react(with_image(world, "example.com/x:2"))
    change = step_change(move, "web", "prod", "advance")
    new, old = move.after.status.current_pod_hash, world.status.stable_rs
    assert change.summary == f"step 1/6, 20% to 2 ({new})"
    assert (change.canary, change.weight) == (new, 20)
    assert [(row.name, row.role, row.replicas_before, row.replicas_after) for row in change.replica_sets] == [
        (f"web-{new}", "canary", None, 1),
        (f"web-{old}", "stable", 5, 5),
    ]
    assert {(change.kind, change.change) for change in change.objects} == {
        ("Service", f"selects {old} -> {new}"),
        ("Ingress", "weight 0 -> 20"),
    }
    assert step_change(move, "web", "prod", "set image").summary == f"set image, step 1/6, 20% to 2 ({new})"


def test_the_last_step_is_promoted() -> None:
    last = next(move for move, _ in course(released(web())) if is_promoted(move.after))
    change = step_change(last, "web", "prod", "advance")
    assert (change.detail, change.canary, change.weight) == ("promoted", "", None)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Wait("", None), "nothing to do: the release is complete"),
        (Wait("", NOON), "nothing to do until 2026-03-01T12:00:00Z"),
        (Wait("aborted", None), "`rollstep retry prod/web` starts it again"),
        (Wait("manually paused", None), "`rollstep resume prod/web` goes on"),
        (Wait("CanaryPauseStep", None), "paused (CanaryPauseStep): `rollstep promote prod/web` goes on"),
        (
            Wait("CanaryPauseStep", NOON + timedelta(minutes=5)),
            "(5m left): `rollstep promote prod/web` goes on at",
        ),
    ],
)
def test_why_a_release_waits(reason: Wait, words: str) -> None:
    assert words in wait_text(reason, web(), "prod/web")


def test_a_complete_release_has_no_reason_to_wait() -> None:
    world = web()
    assert wait(world).reason == ""
    assert is_promoted(world)
    assert not is_promoted(released(world))
