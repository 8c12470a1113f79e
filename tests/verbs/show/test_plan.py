"""The plan of a release: its rows are the next commits, with their starts, ends and peaks of pods."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.moves import Move, Wait, advance, react, wait
from renderer.pipeline.resolve.verb_moves import acting
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from renderer.verbs.show.plan import (
    after_update,
    make_plan,
    next_release,
    plan_move,
    plan_world,
)
from renderer.verbs.show.plan_rows import peak_pods
from renderer.verbs.show.plan_table import plan_text
from tests.support.commands import NOON as AT
from tests.support.commands import TWO, Checkout
from tests.support.worlds import NOON, api, web, with_image


def released(world: World) -> World:
    return react(with_image(world, "example.com/x:2")).after


def test_a_row_for_each_commit_to_come() -> None:
    plan = make_plan(released(web()))
    rows = plan.commits
    assert [(row.current_step_index, row.action, row.starts, row.ends, row.peak_pods) for row in rows] == [
        (3, "setWeight: 40", "promote", "after 10m", 7),
        (5, "setWeight: 60", "after 10m", "after 10m", 8),
        (6, "promoted", "after 10m", "after 30s", 10),
        (6, "old ReplicaSets scaled down", "after 30s", "complete", 10),
    ]
    assert (plan.current_step_index, plan.steps, plan.peak_pods, plan.is_next) == (1, 6, 10, False)
    assert plan.summary == "4 commits to come, at most 10 pods"


@pytest.mark.parametrize("world", [web(), api(), web(steps=None, trafficRouting=None)], ids=["web", "api", "rolling"])
def test_the_rows_are_the_commits_that_are_made(world: World) -> None:
    begun = released(world)
    plan = make_plan(begun)
    moves = [move for move, _ in course(begun)]
    assert len(plan.commits) == len(moves)
    for row, move in zip(plan.commits, moves, strict=True):
        pods = {rs.name: rs.replicas for rs in move.after.replica_sets if rs.replicas}
        assert {rs.name: rs.replicas for rs in row.replica_sets if rs.replicas} == pods
        assert row.peak_pods >= sum(pods.values())


def test_the_versions_are_in_the_cells() -> None:
    text = plan_text(make_plan(released(web())))
    assert "5 of 1.0.0" in text
    assert "2 of 2 " in text
    following = plan_text(plan_world(web()))
    assert "1 of next" in following
    restarted = react(actions.restart_by_revision(web())).after
    cells = plan_text(make_plan(restarted))
    assert f"of {restarted.status.current_pod_hash}" in cells
    assert f"of {restarted.status.stable_rs}" in cells


def test_an_old_deadline_is_not_the_end_of_a_pause() -> None:
    promoted = acting(actions.promote_full)(released(web()))
    assert promoted is not None
    world = react(with_image(promoted.after, "example.com/x:3")).after
    assert any(rs.scale_down_deadline for rs in world.replica_sets)
    assert wait(world) == Wait("CanaryPauseStep", None)
    rows = make_plan(world).commits
    assert [row.starts for row in rows[:2]] == ["after 30s", "promote"]


def test_the_plan_of_a_verb_begins_with_it() -> None:
    move = acting(partial(actions.set_image, container="web", image="example.com/x:2"))(web())
    assert move is not None
    plan = plan_move(move)
    assert [row.action for row in plan.commits][:2] == ["setWeight: 20", "setWeight: 40"]
    assert (plan.commits[0].starts, plan.commits[0].ends) == ("now", "promote")
    assert {rs.version for row in plan.commits for rs in row.replica_sets} == {"1.0.0", "2"}


def test_without_a_release_in_progress_the_next_one_is_planned() -> None:
    world = web()
    plan = plan_world(world)
    assert plan.is_next
    assert plan.commits[0].action == "setWeight: 20"
    assert plan.summary.startswith("no release in progress; for the next one: 5 commits")
    assert next_release(world).rollout.template != world.rollout.template
    assert advance(next_release(world)) is not None


def test_an_aborted_release_has_an_empty_plan() -> None:
    aborted = acting(actions.abort)(released(web()))
    assert aborted is not None
    settled = advance(replace(aborted.after, now=NOON + timedelta(hours=1)))
    assert settled is not None
    plan = plan_world(settled.after)
    assert (plan.commits, plan.summary) == ((), "nothing to come")


def test_the_peak_is_the_largest_sum_of_pods_during_a_move() -> None:
    world = web()
    assert peak_pods(Move(world, world, ())) == 5
    assert peak_pods(react(with_image(world, "example.com/x:2"))) == 6
    rolling = react(with_image(web(steps=None, trafficRouting=None), "example.com/x:2"))
    assert peak_pods(rolling) == 7


def test_the_table() -> None:
    plan = make_plan(released(web()))
    rows = [line.split() for line in plan_text(plan).splitlines()]
    assert rows[0] == ["STEP", "ACTION", "STABLE", "CANARY", "OLD", "WEIGHT", "PEAK", "PODS", "STARTS", "ENDS"]
    assert [row[0] for row in rows[1:]] == ["3/6", "5/6", "6/6", "6/6"]
    assert "60/40" in rows[1]
    assert plan_text(make_plan(released(api()))).splitlines()[0].split()[3] == "PREVIEW"


def test_an_update_of_manifests_comes_first() -> None:
    world = released(web())
    plan = after_update(make_plan(world), world)
    first = plan.commits[0]
    assert (first.action, first.current_step_index) == ("manifests updated", 1)
    assert (first.starts, first.ends) == ("now", "promote")
    assert [rs.replicas for rs in first.replica_sets] == [1, 5]
    assert len(plan.commits) == 5
    alone = after_update(plan_world(web()), web())
    assert (len(alone.commits), alone.is_next, alone.commits[0].ends, alone.peak_pods) == (1, False, "complete", 5)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path / "repo")
    checkout.advance_all("prod/web")
    return checkout


def test_other_changed_manifests_are_a_commit_to_come(checkout: Checkout) -> None:
    assert checkout.json("plan", "prod/web")[0]["isNext"]
    checkout.edit("environments/prod/web/configmap.yaml", "info", "debug")
    checkout.commit()
    (plan,) = checkout.json("plan", "prod/web", "--now", AT)
    assert [step["action"] for step in plan["commits"]] == ["manifests updated"]
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    assert checkout.subjects[0].startswith("web (prod): manifests updated")
    assert checkout.json("plan", "prod/web")[0]["isNext"]


def test_in_a_pause_other_changed_manifests_come_before_the_next_step(checkout: Checkout) -> None:
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", AT, "--no-validate")
    checkout.edit("environments/prod/web/configmap.yaml", "info", "debug")
    checkout.commit()
    (plan,) = checkout.json("plan", "prod/web", "--now", AT)
    assert [step["action"] for step in plan["commits"]][:2] == ["manifests updated", "setWeight: 40"]
    checkout.run("promote", "prod/web", "--now", AT, "--no-validate")
    (plan,) = checkout.json("plan", "prod/web", "--now", AT)
    assert plan["commits"][0]["action"] == "setWeight: 60"


def test_a_step_beyond_the_last_is_refused(checkout: Checkout) -> None:
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod/web", "--to", "9", code=2)
    assert "web (prod) has 6 steps: --to takes 0 to 6" in refused.stderr
    refused = checkout.run("advance", "prod/api", "--to", "1", code=2)
    assert "api (prod) has no steps: --to is for canaries with steps" in refused.stderr
    assert checkout.snapshot() == before
