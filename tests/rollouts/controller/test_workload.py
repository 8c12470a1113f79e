"""A Rollout whose template is that of a Deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.controller.managed_objects import carry_over, edited_objects
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.api_server import world_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTAINER = {"name": "main", "image": "registry.example.com/web:1"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}


def rollout(**reference: Any) -> Body:
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", **reference}
    spec = {"replicas": 4, "workloadRef": wanted, "strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec}


def deployment(replicas: int = 4) -> Body:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def world(*bodies: Body) -> World:
    return world_of([Manifest(body) for body in bodies], NOW)


def key(subject: World) -> ObjectKey:
    return ObjectKey("apps", "Deployment", subject.rollout.namespace, "web")


def test_the_template_is_the_workloads_with_the_defaults_of_a_cluster() -> None:
    done = settle(world(rollout(), deployment())).world
    (rs,) = done.replica_sets
    assert rs.template["spec"]["containers"][0]["image"] == CONTAINER["image"]
    assert rs.template["spec"]["dnsPolicy"] == "ClusterFirst"
    assert rs.selector["matchLabels"]["app"] == "web"
    assert rs.annotations["rollout.argoproj.io/workload-generation"] == "1"
    assert "template" not in done.rollout.body["spec"]


def test_a_pod_template_has_its_template_at_the_top() -> None:
    pod_template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "web"}, "template": TEMPLATE}
    body = rollout(apiVersion="v1", kind="PodTemplate")
    spec = {**body["spec"], "selector": {"matchLabels": {"app": "web"}}}
    done = settle(world({**body, "spec": spec}, pod_template)).world
    assert done.status.phase == "Healthy"


def test_set_image_and_undo_change_the_workload() -> None:
    done = settle(world(rollout(), deployment())).world
    changed = actions.set_image(done, "main", "registry.example.com/web:2")
    image = changed.objects[key(changed)]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example.com/web:2"
    changed = settle(replace(changed, now=NOW + timedelta(seconds=2))).world
    assert (changed.status.phase, changed.rollout.revision) == ("Paused", 2)
    back = settle(actions.undo(changed)).world
    assert back.status.current_pod_hash == done.status.current_pod_hash
    image = back.objects[key(back)]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == CONTAINER["image"]


@pytest.mark.parametrize(("scale_down", "replicas"), [("never", 4), (None, 4), ("onsuccess", 0), ("progressively", 0)])
def test_the_workload_is_scaled_down_by_the_rollouts_setting(scale_down: str | None, replicas: int) -> None:
    subject = world(rollout(**({"scaleDown": scale_down} if scale_down else {})), deployment())
    done = settle(subject).world
    assert done.objects[key(done)]["spec"]["replicas"] == replicas
    assert key(done) in edited_objects(done.rollout)
    carried = carry_over(done.rollout, deployment(), done.objects[key(done)])
    assert carried["spec"]["replicas"] == replicas


def test_a_missing_or_unsupported_workload_is_named() -> None:
    with pytest.raises(RollstepError, match='Deployment "web" not found'):
        settle(world(rollout()))
    strange = {**deployment(), "kind": "StatefulSet"}
    with pytest.raises(RollstepError, match="workload of type apps/StatefulSet is not supported"):
        settle(world(rollout(kind="StatefulSet"), strange))


def test_a_rollout_of_its_own_is_left_alone() -> None:
    body = rollout()
    spec = {name: value for name, value in body["spec"].items() if name != "workloadRef"}
    subject = world({**body, "spec": {**spec, "template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}}})
    assert resolve_workload(subject) is subject
