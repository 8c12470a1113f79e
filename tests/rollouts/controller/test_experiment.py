"""An experiment's ReplicaSets, Services and weights exist while its step lasts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.moves import advance, wait
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup, settle, unsupported_fields
from renderer.rollouts.controller.gates import gate_names, open_gate
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.world import World
from renderer.rollouts.pod_template import pod_template_hash
from tests.rollouts.controller.conftest import NOW, MakeWorld

CONTAINER = {"name": "main", "image": "registry.example.com/web:1", "ports": [{"containerPort": 80, "name": "http"}]}
POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
EXPERIMENT: dict[str, Any] = {
    "duration": "1h",
    "templates": [
        {"name": "baseline", "specRef": "stable", "weight": 5},
        {"name": "try", "specRef": "canary", "weight": 10, "replicas": 2, "metadata": {"labels": {"role": "try"}}},
    ],
}


def steps(**changes: Any) -> list[dict[str, Any]]:
    return [{"setWeight": 20}, {"experiment": {**EXPERIMENT, **changes}}, {"setWeight": 60}]


def smi(routed: MakeWorld, **canary: Any) -> World:
    world = actions.patch(routed({"smi": {}}, **canary), {"spec": {"template": POD}})
    return settle(actions.set_image(settle(world).world, "main", "registry.example.com/web:2")).world


def of_experiment(world: World, kind: str) -> dict[str, Body]:
    found = {key.name: body for key, body in sorted(world.objects.items()) if key.kind == kind}
    return {name: body for name, body in found.items() if "experiment.argoproj.io/name" in annotations_of(body)}


def annotations_of(body: Body) -> Any:
    return body["metadata"].get("annotations") or {}


def backends(world: World) -> list[tuple[str, str]]:
    split = world.objects[ObjectKey("split.smi-spec.io", "TrafficSplit", world.rollout.namespace, "web")]
    return [(item["service"], item["weight"]) for item in split["spec"]["backends"]]


def test_its_objects_exist_while_its_step_lasts(routed: MakeWorld) -> None:
    world = smi(routed, steps=steps())
    name = f"web-{world.status.current_pod_hash}-2-1"
    assert (world.status.current_step_index, world.status.canary.current_experiment) == (1, name)
    sets = of_experiment(world, "ReplicaSet")
    assert {key: body["spec"]["replicas"] for key, body in sets.items()} == {f"{name}-baseline": 1, f"{name}-try": 2}
    trial = sets[f"{name}-try"]
    assert annotations_of(trial) == {"experiment.argoproj.io/name": name, "experiment.argoproj.io/template-name": "try"}
    template = trial["spec"]["template"]
    hashed = trial["metadata"]["labels"][HASH_LABEL]
    assert trial["metadata"]["labels"] == {"app": "web", "role": "try", HASH_LABEL: hashed}
    assert trial["metadata"]["labels"] == template["metadata"]["labels"] == trial["spec"]["selector"]["matchLabels"]
    bare = {**template, "metadata": {"labels": {"app": "web", "role": "try"}}}
    assert hashed == pod_template_hash(bare, None, world.controller_version)
    images = [body["spec"]["template"]["spec"]["containers"][0]["image"][-1] for body in sets.values()]
    assert images == ["1", "2"]
    service = of_experiment(world, "Service")[f"{name}-try"]
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}]
    assert service["spec"] == {"selector": trial["metadata"]["labels"], "ports": ports}
    assert backends(world) == [("canary", "20"), (f"{name}-baseline", "5"), (f"{name}-try", "10"), ("stable", "65")]
    weights = world.status.canary.weights
    assert weights is not None
    assert (weights.stable.weight, [item.weight for item in weights.additional]) == (65, [5, 10])
    assert weights.additional[1].pod_template_hash == hashed


def test_its_duration_ends_it_and_its_objects_are_deleted(routed: MakeWorld) -> None:
    world = smi(routed, steps=steps())
    assert (wait(world).reason, wait(world).until) == ("experiment", NOW + timedelta(hours=1))
    early = replace(world, now=NOW + timedelta(minutes=59))
    assert settle(early).world == early
    done = settle(replace(world, now=NOW + timedelta(hours=1))).world
    assert (done.status.current_step_index, done.status.canary.current_experiment) == (3, "")
    assert (of_experiment(done, "ReplicaSet"), of_experiment(done, "Service")) == ({}, {})
    assert [service for service, _ in backends(done)] == ["canary", "stable"]


@pytest.mark.parametrize("verb", [actions.promote, actions.promote_full, actions.abort])
def test_a_person_ends_it(routed: MakeWorld, verb: Any) -> None:
    world = smi(routed, steps=steps())
    done = settle(verb(world)).world
    assert of_experiment(done, "ReplicaSet") == of_experiment(done, "Service") == {}
    weights = done.status.canary.weights
    assert weights is not None
    assert weights.additional == ()


@pytest.mark.parametrize(
    "changes", [{"duration": None}, {"analyses": [{"name": "a", "templateName": "b", "requiredForCompletion": True}]}]
)
def test_an_experiment_without_an_end_waits_for_a_person(routed: MakeWorld, changes: dict[str, Any]) -> None:
    world = smi(routed, steps=steps(**changes))
    assert (next_wakeup(world), open_gate(world.rollout, world.status)) == (None, "experiment")
    assert settle(actions.promote(world)).world.status.current_step_index == 3


@pytest.mark.parametrize("corrections", [frozenset[str](), frozenset({"experiment-analysis"})])
def test_an_analysis_that_is_not_required_is_a_gate(routed: MakeWorld, corrections: frozenset[str]) -> None:
    analyses = [{"name": "errors", "templateName": "error-rate"}]
    world = replace(smi(routed, steps=steps(analyses=analyses)), corrections=corrections)
    later = settle(replace(world, now=NOW + timedelta(days=1))).world
    assert later.status.current_step_index == (1 if corrections else 3)
    assert next_wakeup(world) == (None if corrections else NOW + timedelta(hours=1))
    assert gate_names(world.rollout, world.status, "experiment") == ("baseline", "try", "errors")
    assert settle(actions.promote(world)).world.status.current_step_index == 3


def test_a_new_release_deletes_the_old_experiment(routed: MakeWorld) -> None:
    world = smi(routed, steps=[{"experiment": EXPERIMENT}, {"setWeight": 20}])
    old = of_experiment(world, "ReplicaSet").keys()
    later = replace(world, now=NOW + timedelta(minutes=30))
    new = settle(actions.set_image(later, "main", "registry.example.com/web:3")).world
    assert len(of_experiment(new, "ReplicaSet")) == 2
    assert not old & of_experiment(new, "ReplicaSet").keys()
    assert wait(new).until == NOW + timedelta(minutes=90)


def test_it_is_a_commit_of_its_own(routed: MakeWorld) -> None:
    before = settle(actions.patch(routed({"smi": {}}, steps=steps()), {"spec": {"template": POD}})).world
    moves = list(course(actions.set_image(before, "main", "registry.example.com/web:2")))
    assert [move.after.status.current_step_index for move, _ in moves] == [0, 1, 2, 3, 3]
    assert [reason.reason for _, reason in moves][:3] == ["", "", "experiment"]
    assert advance(moves[1][0].after) is None


def test_a_service_has_its_given_name_and_requires_a_port(nginx: MakeWorld) -> None:
    named = {"templates": [{"name": "a", "specRef": "canary", "service": {"name": "trial"}}]}
    world = actions.patch(nginx(steps=[{"experiment": named}]), {"spec": {"template": POD}})
    world = settle(world).world
    assert list(of_experiment(world, "Service")) == ["trial"]
    bare = settle(actions.set_image(nginx(steps=[{"experiment": named}]), "main", "registry.example.com/web:2")).world
    assert (len(of_experiment(bare, "ReplicaSet")), of_experiment(bare, "Service")) == (1, {})


def test_an_aws_load_balancer_gets_the_weights(routed: MakeWorld) -> None:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "stable", "port": {"number": 80}}}}
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [{"http": {"paths": [path]}}]},
    }
    made = routed({"alb": {"ingress": "web", "servicePort": 80}}, body, steps=steps())
    before = settle(actions.patch(made, {"spec": {"template": POD}})).world
    world = settle(actions.set_image(before, "main", "registry.example.com/web:2")).world
    ingress = world.objects[ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web")]
    action = json.loads(annotations_of(ingress)["alb.ingress.kubernetes.io/actions.stable"])
    groups = action["ForwardConfig"]["TargetGroups"]
    assert [(item["ServiceName"].rpartition("-")[2], item["Weight"]) for item in groups] == [
        ("canary", 20),
        ("baseline", 5),
        ("try", 10),
        ("stable", 65),
    ]


def test_istio_gets_destinations_and_subsets_and_loses_them(routed: MakeWorld) -> None:
    route = [{"destination": {"host": "web", "subset": name}, "weight": 0} for name in ("stable", "canary")]
    route[0]["weight"] = 100
    api = "networking.istio.io/v1"
    metadata = {"name": "web"}
    service = {"apiVersion": api, "kind": "VirtualService", "metadata": metadata, "spec": {"http": [{"route": route}]}}
    subsets = [{"name": name, "labels": {"app": "web"}} for name in ("canary", "stable")]
    rule = {
        "apiVersion": api,
        "kind": "DestinationRule",
        "metadata": metadata,
        "spec": {"host": "web", "subsets": subsets},
    }
    named = {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"}
    istio = {"istio": {"virtualService": {"name": "web"}, "destinationRule": named}}
    before = settle(actions.patch(routed(istio, service, rule, steps=steps()), {"spec": {"template": POD}})).world
    world = settle(actions.set_image(before, "main", "registry.example.com/web:2")).world
    name = world.status.canary.current_experiment

    def of_istio(kind: str, at: World) -> Any:
        return at.objects[ObjectKey("networking.istio.io", kind, at.rollout.namespace, "web")]["spec"]

    shares = of_istio("VirtualService", world)["http"][0]["route"]
    assert [(item["destination"].get("subset", item["destination"]["host"]), item["weight"]) for item in shares] == [
        ("stable", 65),
        ("canary", 20),
        (f"{name}-baseline", 5),
        (f"{name}-try", 10),
    ]
    assert [item["name"] for item in of_istio("DestinationRule", world)["subsets"]][2:] == [
        f"{name}-baseline",
        f"{name}-try",
    ]
    done = settle(actions.promote(world)).world
    assert len(of_istio("VirtualService", done)["http"][0]["route"]) == 2
    assert len(of_istio("DestinationRule", done)["subsets"]) == 2


def test_what_the_api_server_refuses_is_refused(nginx: MakeWorld, basic: MakeWorld) -> None:
    for make in (nginx, basic):
        world = make(settled=False, steps=steps())
        assert [finding.field.rpartition("[")[2] for finding in unsupported_fields(world.rollout)] == [
            "0].weight",
            "1].weight",
        ]
    world = basic(settled=False, steps=[{"experiment": {"templates": [{"name": "a", "specRef": "other"}]}}])
    (finding,) = unsupported_fields(world.rollout)
    assert finding.message == "expected canary or stable, found other"
