"""Scenarios: reading, simulation and the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.rollouts.simulator.frames import to_document
from renderer.rollouts.simulator.scenario import Frame, read_scenario, simulate
from renderer.rollouts.simulator.table import to_table

ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  replicas: 4
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: main
        image: registry.example.com/web:1
  strategy:
    %s
"""
BASIC = "canary: {steps: [{setWeight: 25}, {pause: {duration: 10}}]}"


def run(actions: list[Any], strategy: str = BASIC) -> list[Frame]:
    text = f"kind: Scenario\nname: test\nactions: {json.dumps(actions)}\n---" + ROLLOUT % strategy
    return list(simulate(read_scenario(text, "test.yaml")))


def sizes(frame: Frame) -> list[int]:
    return [rs.replicas for rs in sorted(frame.world.replica_sets, key=lambda rs: rs.revision)]


IMAGE = {"setImage": "main=registry.example.com/web:2"}


def test_apply_comes_first_and_every_action_has_a_frame() -> None:
    frames = run([IMAGE, "promote"])
    assert [frame.action for frame in frames] == ["apply", IMAGE, "promote"]
    assert [sizes(frame) for frame in frames] == [[4], [3, 1], [0, 4]]
    assert [frame.world.status.phase for frame in frames] == ["Healthy", "Paused", "Healthy"]


def test_sleep_lets_timed_pauses_run_out() -> None:
    minute = BASIC.replace("10", "60")
    short, long = (run([IMAGE, {"sleep": seconds}], minute)[-1] for seconds in (40, 60))
    assert (short.world.status.phase, long.world.status.phase) == ("Paused", "Healthy")


def test_hold_has_no_frame_and_release_makes_pods_available() -> None:
    frames = run([{"hold": "all"}, IMAGE, {"release": True}])
    assert [frame.action for frame in frames] == ["apply", IMAGE, {"release": True}]
    assert frames[1].world.status.phase == "Progressing"
    assert sizes(frames[1]) == [3, 1]
    assert frames[2].world.status.phase == "Paused"


def test_a_refused_action_has_a_frame_with_the_error() -> None:
    frames = run([{"setImage": "nope=registry.example.com/web:2"}])
    assert frames[-1].rejected == 'unable to find container named "nope"'
    assert frames[-1].world.rollout == frames[0].world.rollout
    assert to_document(read_scenario("kind: Scenario\n", "x"), frames)["frames"][-1]["rejected"]


def test_every_verb_runs() -> None:
    verbs: list[Any] = [IMAGE, "skipStep", "promoteFull", {"undo": 1}, "abort", "retry", "pause", "resume", "restart"]
    verbs += [{"scale": 6}, {"patch": {"metadata": {"annotations": {"a": "b"}}}}, "undo", {"sleep": 40}]
    frames = run(verbs)
    assert len(frames) == len(verbs) + 1
    assert frames[-1].world.rollout.annotations["a"] == "b"
    assert frames[-1].world.rollout.replicas == 6


def test_undo_brings_back_a_template_with_the_defaults_of_a_cluster() -> None:
    frames = run([IMAGE, "promote", "undo", {"sleep": 60}])
    spec = frames[-1].world.rollout.template["spec"]
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    document = to_document(read_scenario("kind: Scenario\n", "x"), frames)
    assert all(list(pod_spec) == ["containers"] for pod_spec in document["podSpecs"].values())
    assert len(document["podSpecs"]) == 2


PREFERRED = (
    "canary: {antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 1}},"
    " steps: [{setWeight: 25}, {pause: {}}]}"
)


def test_an_undo_with_a_preferred_anti_affinity_makes_a_new_replica_set() -> None:
    """The stable ReplicaSet gets the affinity of an update first, and then is another one for the controller."""
    frames = run([IMAGE, "abort", {"undo": 1}], PREFERRED)
    found = sorted(frames[-1].world.replica_sets, key=lambda rs: rs.revision)
    assert [(rs.revision, rs.replicas) for rs in found] == [(2, 0), (3, 3), (4, 1)]
    (term,) = found[-1].template["spec"]["affinity"]["podAntiAffinity"].popitem()[1]
    (requirement,) = term["podAffinityTerm"]["labelSelector"]["matchExpressions"]
    assert requirement["values"] == [frames[-1].world.status.stable_rs] == [found[1].pod_template_hash]


def test_an_undo_without_it_goes_back_to_the_stable_replica_set() -> None:
    frames = run([IMAGE, "abort", {"undo": 1}])
    assert [(rs.revision, rs.replicas) for rs in frames[-1].world.replica_sets] == [(3, 4), (2, 0)]


def test_services_get_the_defaults_of_a_cluster() -> None:
    service = (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
    )
    text = "kind: Scenario\n---" + ROLLOUT % "blueGreen: {activeService: a}" + service
    frames = list(simulate(read_scenario(text, "test.yaml")))
    shown = next(
        item
        for item in to_document(read_scenario(text, "x"), frames)["frames"][0]["objects"]
        if item["kind"] == "Service"
    )
    assert shown["spec"]["type"] == "ClusterIP"
    assert shown["spec"]["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": 80}]


@pytest.mark.parametrize(
    ("actions", "error"),
    [
        (["fly"], "unknown action 'fly'"),
        ([{"setImage": "main"}], "expected NAME=IMAGE"),
        ([{"scale": "two"}], "scale does not take 'two'"),
        ([{"scale": True}], "scale does not take True"),
        (["sleep"], "sleep needs a value"),
        ([{"patchObject": {"kind": "Service"}}], "patchObject needs kind, name and patch"),
        ([{"promote": True, "abort": True}], "unknown action"),
        ([{"promote": "now"}], "promote does not take 'now'"),
    ],
)
def test_an_unknown_action_is_named(actions: list[Any], error: str) -> None:
    with pytest.raises(RollstepError) as refusal:
        run(["promote", *actions])
    finding = refusal.value.findings[0]
    assert error in finding.message
    assert (finding.file, finding.field, finding.line) == ("test.yaml", "actions[1]", 3)


def test_a_scenario_needs_its_kind_and_one_rollout() -> None:
    with pytest.raises(RollstepError, match="expected a first document of kind Scenario"):
        read_scenario(ROLLOUT % BASIC, "test.yaml")
    with pytest.raises(RollstepError, match="expected one Rollout, found 0"):
        list(simulate(read_scenario("kind: Scenario\n", "test.yaml")))
    with pytest.raises(RollstepError, match="expected one Rollout, found 2"):
        list(simulate(read_scenario("kind: Scenario\n---" + ROLLOUT % BASIC + "---" + ROLLOUT % BASIC, "test.yaml")))


def test_the_same_scenario_gives_the_same_bytes() -> None:
    scenario = read_scenario("kind: Scenario\nactions: [promote]\n---" + ROLLOUT % BASIC, "test.yaml")
    first, second = (json.dumps(to_document(scenario, list(simulate(scenario)))) for _ in range(2))
    assert first == second


def test_the_table_has_roles_and_pods() -> None:
    lines = to_table(run([IMAGE])).splitlines()
    assert lines[0].split() == ["ACTION", "PHASE", "STEP", "REPLICASET", "REV", "ROLE", "PODS", "AVAILABLE", "WEIGHT"]
    assert lines[2].startswith("setImage: main=registry.example.com/web:2  Paused: CanaryPauseStep  1/2")
    assert lines[2].split()[-5:] == ["2", "canary", "1", "1", "-"]
    assert lines[3].split()[-5:] == ["1", "stable", "3", "3", "-"]


def test_the_command_reads_standard_input_and_refuses_with_one(tmp_path: Path) -> None:
    text = "kind: Scenario\nactions: [promote]\n---" + ROLLOUT % "canary: {trafficRouting: {appMesh: {}}}"
    command = [sys.executable, "-m", "renderer", "simulate", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "spec.strategy.canary.trafficRouting.appMesh: AWS has shut down App Mesh" in done.stderr
    assert done.stdout == ""
