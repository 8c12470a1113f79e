"""The canary Ingress of the nginx router."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import ObjectKey
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.controller.routers.nginx import canary_ingress, canary_ingress_name
from renderer.rollouts.model.world import World

MakeWorld = Callable[..., World]
CANARY = "nginx.ingress.kubernetes.io/canary"
WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"


def test_names_are_cut_to_the_limit_of_kubernetes() -> None:
    assert canary_ingress_name("web", "public") == "web-public-canary"
    long = canary_ingress_name("w" * 100, "p" * 200)
    assert (len(long), long[-8:]) == (253, "p-canary")


def test_only_rules_for_the_stable_service_are_taken_over(nginx: MakeWorld) -> None:
    world = nginx(steps=[])
    stable = world.objects[ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web")]
    other = {"host": "other.example.com", "http": {"paths": [{"path": "/", "backend": {"service": {"name": "other"}}}]}}
    both = {**stable, "spec": {**stable["spec"], "rules": [other, *stable["spec"]["rules"]], "tls": [{"hosts": ["a"]}]}}
    made = canary_ingress(world.rollout, both, "web-web-canary", 30)
    assert [rule["host"] for rule in made["spec"]["rules"]] == ["web.example.com"]
    backend = made["spec"]["rules"][0]["http"]["paths"][0]["backend"]
    assert backend == {"service": {"name": "canary", "port": {"number": 80}}}
    assert made["spec"]["tls"] == [{"hosts": ["a"]}]
    assert made["spec"]["ingressClassName"] == "nginx"
    assert made["metadata"]["annotations"] == {CANARY: "true", WEIGHT: "30"}


def test_annotations_of_the_spec_never_win_over_the_weight(nginx: MakeWorld) -> None:
    router = {
        "stableIngress": "web",
        "annotationPrefix": "custom.io",
        "additionalIngressAnnotations": {"canary-by-header": "X", "custom.io/canary-by-cookie": "C"},
        "canaryIngressAnnotations": {"note": "n", "custom.io/canary-weight": "99"},
    }
    world = nginx(steps=[], nginx=router, routing={"maxTrafficWeight": 200})
    made = world.objects[ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web-web-canary")]
    assert made["metadata"]["annotations"] == {
        "custom.io/canary": "true",
        "custom.io/canary-by-header": "X",
        "custom.io/canary-by-cookie": "C",
        "custom.io/canary-weight": "0",
        "custom.io/canary-weight-total": "200",
        "note": "n",
    }


def test_annotations_that_others_added_stay(nginx: MakeWorld) -> None:
    world = nginx(steps=[{"setWeight": 20}, {"pause": {}}])
    world = actions.patch_object(world, "Ingress", "web-web-canary", {"metadata": {"annotations": {"theirs": "1"}}})
    world = settle(actions.set_image(world, "main", "registry.example.com/web:2")).world
    made = world.objects[ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web-web-canary")]
    assert made["metadata"]["annotations"]["theirs"] == "1"
    assert made["metadata"]["annotations"][WEIGHT] == "20"


def test_a_missing_ingress_is_named(nginx: MakeWorld) -> None:
    with pytest.raises(RollstepError) as refusal:
        nginx(steps=[], nginx={"stableIngress": "nope"})
    finding = refusal.value.findings[0]
    assert finding.field == "spec.strategy.canary.trafficRouting.nginx.stableIngress"
    assert finding.message == 'Ingress "nope" not found'


def test_an_ingress_without_the_stable_service_is_refused(nginx: MakeWorld) -> None:
    world = nginx(steps=[], settled=False)
    key = ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web")
    body = world.objects[key]
    with pytest.raises(RollstepError, match='ingress "web" has no rules using service stable backend'):
        settle(world.with_object(key, {**body, "spec": {"rules": []}}))
