"""The tree of ``get``, as text and as data."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from renderer.pipeline.resolve.moves import react
from renderer.pipeline.resolve.verb_moves import acting, promoting
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from renderer.verbs.show.tree import by_revision, camel_keys, rollout_info, tree_text
from tests.support.worlds import NOON, REF, api, web, with_image


def released(world: World) -> World:
    return react(with_image(world, "example.com/x:2")).after


def test_a_canary_at_its_first_pause() -> None:
    world = released(web())
    info = rollout_info(world, "prod/web")
    assert (info.phase, info.reason, info.current_step_index, info.steps) == ("Paused", "CanaryPauseStep", 1, 6)
    assert (info.set_weight, info.actual_weight, info.max_traffic_weight) == (20, 20, 100)
    assert (info.desired, info.committed, info.updated) == (5, 6, 1)
    assert info.until is None
    newest, oldest = info.replica_sets
    assert (newest.roles, newest.weight, newest.images) == (("canary",), 20, ("example.com/x:2",))
    assert (oldest.roles, oldest.weight, oldest.replicas) == (("stable",), 80, 5)
    assert (info.autoscaler, oldest.min_replicas) == (None, None)


def test_its_text() -> None:
    world = released(web())
    new, old = world.status.current_pod_hash, world.status.stable_rs
    lines = tree_text(rollout_info(world, "prod/web"), NOON + timedelta(minutes=3), REF).splitlines()
    assert lines[:4] == [
        "Name:            web",
        "Environment:     prod",
        "Namespace:       shop-prod",
        "Status:          ॥ Paused",
    ]
    assert "  SetWeight:     20" in lines
    assert "Images:          example.com/x:2 (canary)" in lines
    assert "                 registry.example.com/shop/web:1.0.0 (stable)" in lines
    tree = lines[lines.index("") + 1 :]
    assert tree[0].split() == ["NAME", "KIND", "STATUS", "REPLICAS", "WEIGHT", "AGE", "INFO"]
    assert [line.split() for line in tree[2:]] == [
        ["├──#", "revision:2", "(2)"],
        ["│", "└──⧉", f"web-{new}", "ReplicaSet", "✔", "Committed", "1", "20", "3m", "canary"],
        ["└──#", "revision:1", "(1.0.0)"],
        ["└──⧉", f"web-{old}", "ReplicaSet", "✔", "Committed", "5", "80", "3m", "stable"],
    ]


def test_a_pause_that_ends_by_itself() -> None:
    world = released(web())
    move = promoting(actions.promote)(world)
    assert move is not None
    info = rollout_info(move.after, "prod/web")
    assert info.until == NOON + timedelta(minutes=10)
    assert "until 2026-03-01T12:10:00Z (10m left)" in tree_text(info, NOON, REF)


def test_blue_green_has_no_weights() -> None:
    info = rollout_info(released(api()), "prod/web")
    assert (info.strategy, info.current_step_index) == ("BlueGreen", None)
    assert (info.set_weight, info.max_traffic_weight) == (None, None)
    assert [rs.roles for rs in info.replica_sets] == [("preview",), ("stable", "active")]
    assert "SetWeight" not in tree_text(info, NOON, REF)


def test_a_scale_down_delay_is_shown() -> None:
    move = acting(actions.promote_full)(released(web()))
    assert move is not None
    info = rollout_info(move.after, "prod/web")
    (old,) = [rs for rs in info.replica_sets if rs.scale_down_deadline]
    assert old.scale_down_deadline == NOON + timedelta(seconds=30)
    assert "delay:30s" in tree_text(info, NOON, REF)
    assert "delay:passed" in tree_text(info, NOON + timedelta(minutes=1), REF)


def test_git_does_not_know_which_pods_are_available() -> None:
    world = web()
    (replica_set,) = world.replica_sets
    info = rollout_info(world.with_replica_set(replace(replica_set, available_replicas=2)), "prod/web")
    assert (info.phase, info.replica_sets[0].status, info.committed) == ("Committed", "Committed", 5)
    text = tree_text(info, NOON, REF)
    assert not any(word in text for word in ("Healthy", "Ready", "Available"))
    gone = rollout_info(world.with_replica_set(replace(replica_set, replicas=0, available_replicas=0)), "prod/web")
    assert gone.replica_sets[0].status == "ScaledDown"
    assert "Images:" not in tree_text(gone, NOON, REF)


def test_json_has_keys_in_camel_case() -> None:
    data = rollout_info(released(web()), "prod/web").to_dict()
    assert data["maxTrafficWeight"] == 100
    assert data["replicaSets"][0]["created"] == "2026-03-01T12:00:00Z"
    assert data["replicaSets"][0]["scaleDownDeadline"] is None
    assert camel_keys({"a_b": [{"c_d_e": NOON}, (1,)]}) == {"aB": [{"cDE": "2026-03-01T12:00:00Z"}, [1]]}


def test_newest_revisions_come_first() -> None:
    world = released(web())
    shuffled = (*world.replica_sets[::-1],)
    assert [rs.revision for rs in by_revision(shuffled)] == [2, 1]
