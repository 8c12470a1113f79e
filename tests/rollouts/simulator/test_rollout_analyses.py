"""Rollouts with analyses against recordings of the real controller."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.rollouts.simulator.frames import to_document
from renderer.rollouts.simulator.scenario import Frame, read_scenario, simulate
from tests.support.recordings import RULES

DATA = Path(__file__).parents[2] / "data" / "analysis"
ROLLOUTS = sorted((DATA / "rollouts").glob("*.yaml"))

DIFFERENT = {
    "gate-001": "the pods of an experiment that failed stay for 30 seconds, in git they go with the abort",
    "gate-047": "the same",
    "gate-039": "the recorder's actions took so long that a scale-down delay of 30 seconds ran out",
}
"""Scenarios with other frames than in the recording, and why."""


def produce(path: Path) -> Any:
    read = read_scenario(path.read_text(encoding="utf-8"), str(path))
    return json.loads(json.dumps(to_document(read, list(simulate(read, "1.10")), "1.10")))


def golden_of(path: Path) -> Any:
    return json.loads((DATA / "golden-rollouts" / f"{path.stem}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in ROLLOUTS if path.stem not in DIFFERENT], ids=lambda path: path.stem)
def test_frames_are_those_of_the_controller(path: Path) -> None:
    golden, produced = golden_of(path), produce(path)
    assert list(RULES.differences(golden, produced)) == []
    # The rules leave the messages out; these say which metric failed, and why.
    for wanted, got in zip(golden["frames"], produced["frames"], strict=True):
        assert got["status"].get("message") == wanted["status"].get("message")


def test_the_exceptions_are_still_needed() -> None:
    assert len(ROLLOUTS) == 42
    for name in DIFFERENT:
        path = DATA / "rollouts" / f"{name}.yaml"
        assert list(RULES.differences(golden_of(path), produce(path))) != []


@pytest.mark.parametrize("name", ["gate-001", "gate-047"])
def test_a_failed_experiment_aborts_as_in_the_controller(name: str) -> None:
    path = DATA / "rollouts" / f"{name}.yaml"
    golden, produced = golden_of(path), produce(path)
    differences = list(RULES.differences(golden, produced))
    assert [text for text in differences if not re.search(r"\.ReplicaSet/g\d+-\w+-2-0-(base|new): wanted", text)] == []
    messages = [frame["status"].get("message") for frame in produced["frames"]]
    assert messages == [frame["status"].get("message") for frame in golden["frames"]]
    assert any("Experiment analysis phase is error/failed" in (message or "") for message in messages)


SCENARIO = """
kind: Scenario
%s
actions:
- setImage: main=web:2
%s
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: check}
spec:
  args: [{name: hash}]
  metrics:
  - name: ok
    successCondition: result >= 0.9
    provider: {web: {url: "http://metrics.example.com/{{args.hash}}"}}
    %s
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1"}]}
  strategy:
    canary:
      steps:
      - setWeight: 25
      - analysis: {templates: [{templateName: check}], args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}
      - pause: {}
"""


def frames(responses: str, actions: str = "", metric: str = "") -> list[Frame]:
    return list(simulate(read_scenario(SCENARIO % (responses, actions, metric), "scenario.yaml"), "1.10"))


def test_a_good_result_goes_on_and_a_bad_one_aborts() -> None:
    good = frames("responses: {ok: [{json: 0.95}]}")[-1].world.status
    assert (good.current_step_index, good.abort) == (2, False)
    bad = frames("responses: {ok: [{json: 0.5}]}")[-1].world.status
    assert bad.abort
    assert 'Metric "ok" assessed Failed due to failed (1) > failureLimit (0)' in bad.message


def test_an_analysis_without_responses_waits() -> None:
    assert frames("")[-1].world.status.current_step_index == 1


def test_a_run_without_an_end_waits_until_its_metric_answers_otherwise() -> None:
    endless = "interval: 10s"
    states = frames("responses: {ok: [{json: 0.95}]}", "- metric: {ok: [{status: 500}]}", endless)
    assert [frame.world.status.abort for frame in states] == [False, False, True]
    assert "consecutiveErrors (5) > consecutiveErrorLimit (4)" in states[-1].world.status.message


def test_a_retry_measures_again_under_another_name() -> None:
    states = frames("responses: {ok: [{json: 0.5}, {json: 0.95}]}", "- retry")
    assert [frame.world.status.abort for frame in states] == [False, True, False]
    assert states[-1].world.status.current_step_index == 2


def test_an_analysis_without_a_value_for_an_argument_never_begins() -> None:
    text = (SCENARIO % ("responses: {ok: [{json: 0.95}]}", "", "")).replace(
        "name: hash, valueFrom", "name: x, valueFrom"
    )
    (*_, last) = simulate(read_scenario(text, "scenario.yaml"), "1.10")
    assert (last.world.status.current_step_index, last.world.status.abort) == (1, False)


@pytest.mark.parametrize(
    ("responses", "actions", "place"),
    [
        ("responses: {ok: [{body: 1}]}", "", r"responses\.ok\[0\]"),
        ("", "- metric: {ok: [{status: x}]}", r"actions\[1\]"),
        ("", "- metric", r"actions\[1\]"),
    ],
)
def test_answers_of_another_form_are_refused(responses: str, actions: str, place: str) -> None:
    with pytest.raises(RollstepError, match=place):
        read_scenario(SCENARIO % (responses, actions, ""), "scenario.yaml")
