"""The commands of ``kubectl argo rollouts``: effects and errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.model.world import World

MakeWorld = Callable[..., World]
STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]


def paused(make: MakeWorld) -> World:
    return settle(actions.set_image(make(steps=STEPS), "main", "registry.example.com/web:2")).world


def test_a_restart_by_revision_is_a_release_of_the_same_image(nginx: MakeWorld) -> None:
    before = nginx(steps=[{"setWeight": 20}, {"pause": {}}])
    after = settle(actions.restart_by_revision(before)).world
    assert after.status.current_pod_hash != after.status.stable_rs == before.status.stable_rs
    template = after.rollout.template
    assert template["metadata"]["annotations"] == {"kubectl.kubernetes.io/restartedAt": "2026-01-31T12:00:00Z"}
    assert template["spec"] == before.rollout.template["spec"]
    assert after.status.current_step_index == 1


def test_promote_ends_the_pause(nginx: MakeWorld) -> None:
    world = actions.promote(paused(nginx))
    assert world.status.pause_conditions == ()
    assert settle(world).world.status.current_step_index == 3


def test_promote_without_a_pause_goes_to_the_next_step(nginx: MakeWorld) -> None:
    world = settle(actions.set_image(nginx(steps=STEPS), "main", "registry.example.com/web:2"), hold=True).world
    assert world.status.current_step_index == 0
    assert actions.promote(world).status.current_step_index == 1


def test_promote_ends_a_pause_of_the_users_as_well(nginx: MakeWorld) -> None:
    world = actions.pause(nginx(steps=STEPS))
    status = settle(world).world.status
    assert (status.phase, status.message) == ("Paused", "manually paused")
    assert actions.promote(world).rollout.paused is False
    assert actions.resume(world).rollout.paused is False


def test_promote_after_the_last_step_changes_nothing(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    assert settle(actions.promote(world)).world == world


def test_full_promotion_skips_all_pauses(nginx: MakeWorld) -> None:
    world = settle(actions.promote_full(paused(nginx))).world
    assert (world.status.phase, world.status.current_step_index, world.status.promote_full) == ("Healthy", 4, False)


def test_skip_step(nginx: MakeWorld) -> None:
    world = actions.skip_step(paused(nginx))
    assert world.status.current_step_index == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("basic", "Cannot skip steps of a rollout without steps"),
        ("blue_green", "Cannot skip steps of a bluegreen rollout. Run without a flags"),
    ],
)
def test_skip_step_is_refused_without_steps(make: str, message: str, request: pytest.FixtureRequest) -> None:
    world = request.getfixturevalue(make)()
    with pytest.raises(RollstepError) as refusal:
        actions.skip_step(world)
    assert str(refusal.value) == message


def test_retry_begins_again_at_the_first_step(nginx: MakeWorld) -> None:
    aborted = settle(actions.abort(paused(nginx))).world
    world = settle(actions.retry(aborted)).world
    assert (world.status.phase, world.status.current_step_index, world.status.abort) == ("Paused", 1, False)


def test_set_image_sets_init_containers_and_all(nginx: MakeWorld) -> None:
    extra = {
        "spec": {"template": {"spec": {"initContainers": [{"name": "init", "image": "registry.example.com/i:1"}]}}}
    }
    world = actions.patch(nginx(steps=STEPS), extra)
    spec = actions.set_image(world, "init", "registry.example.com/i:2").rollout.template["spec"]
    assert spec["initContainers"][0]["image"] == "registry.example.com/i:2"
    assert spec["containers"][0]["image"] == "registry.example.com/web:1"
    spec = actions.set_image(world, "*", "registry.example.com/all:1").rollout.template["spec"]
    assert {item["image"] for item in [*spec["initContainers"], *spec["containers"]]} == {"registry.example.com/all:1"}


def test_set_image_of_an_unknown_container_is_refused(nginx: MakeWorld) -> None:
    with pytest.raises(RollstepError, match='unable to find container named "nope"'):
        actions.set_image(nginx(steps=STEPS), "nope", "registry.example.com/web:2")


def test_undo_goes_back_and_counts_on(nginx: MakeWorld) -> None:
    world = nginx(steps=[])
    for number in (2, 3):
        world = replace(world, now=world.now + timedelta(seconds=2))
        world = settle(actions.set_image(world, "main", f"registry.example.com/web:{number}")).world
    first = min(world.replica_sets, key=lambda rs: rs.revision)
    world = settle(actions.undo(world, 1)).world
    assert world.status.current_pod_hash == first.pod_template_hash
    again = world.replica_set(first.name)
    assert again is not None
    assert (again.revision, again.annotations["rollout.argoproj.io/revision-history"]) == (4, "1")
    assert world.rollout.revision == 4


def test_undo_without_a_number_takes_the_revision_before(nginx: MakeWorld) -> None:
    world = actions.undo(paused(nginx))
    assert world.rollout.template["spec"]["containers"][0]["image"] == "registry.example.com/web:1"
    assert "rollouts-pod-template-hash" not in world.rollout.template["metadata"]["labels"]


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        (0, 'no revision found for rollout "web"'),
        (1, "skipped rollback (current template already matches revision 1)"),
        (7, "unable to find specified revision 7 in history"),
    ],
)
def test_undo_is_refused_without_an_earlier_revision(nginx: MakeWorld, revision: int, message: str) -> None:
    with pytest.raises(RollstepError) as refusal:
        actions.undo(nginx(steps=STEPS), revision)
    assert str(refusal.value) == message


def test_scale_in_the_middle_keeps_the_step(nginx: MakeWorld) -> None:
    world = settle(actions.scale(paused(nginx), 10)).world
    assert world.status.current_step_index == 1
    assert {rs.revision: rs.replicas for rs in world.replica_sets} == {1: 10, 2: 2}
    with pytest.raises(RollstepError):
        actions.scale(world, -1)


def test_patch_object_changes_the_object_or_refuses(nginx: MakeWorld) -> None:
    world = actions.patch_object(nginx(steps=STEPS), "Service", "stable", {"metadata": {"labels": {"a": "b"}}})
    service = world.service("stable")
    assert service is not None
    assert service["metadata"]["labels"] == {"a": "b"}
    with pytest.raises(RollstepError, match='Service "nope" not found'):
        actions.patch_object(world, "Service", "nope", {})


def test_apply_keeps_the_revision_and_starts_an_update(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    body = {**world.rollout.body, "metadata": {"name": "web", "namespace": world.rollout.namespace}}
    container = {"name": "main", "image": "registry.example.com/web:9"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    applied = actions.apply(world, {**body, "spec": {**body["spec"], "template": template}})
    assert applied.rollout.revision == 1
    assert settle(applied).world.rollout.revision == 2


def test_a_written_out_default_starts_no_update(nginx: MakeWorld) -> None:
    world = nginx(steps=STEPS)
    patched = actions.patch(world, {"spec": {"template": {"spec": {"dnsPolicy": "ClusterFirst"}}}})
    done = settle(patched).world
    assert done.status.current_pod_hash == world.status.current_pod_hash
    assert [rs.name for rs in done.replica_sets] == [rs.name for rs in world.replica_sets]
