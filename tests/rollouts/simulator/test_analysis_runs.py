"""AnalysisRuns against recordings of the real controller, and the command that simulates them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from renderer.cli.commands.simulate import command
from renderer.errors import RollstepError
from renderer.rollouts.simulator.analysis_runs import (
    evaluate_conditions,
    read_run_scenario,
    run_document,
    simulate_run,
)
from tests.support.recordings import rules_of

DATA = Path(__file__).parents[2] / "data" / "analysis"
RUNS = sorted((DATA / "runs").glob("*.yaml"))

MEASURED_TWICE = {
    "run-009": "the controller's cache did not have the second measurement yet, and the next pass took it again"
}
"""Runs that the recording has other measurements of, and why."""


RULES = rules_of(DATA / "compare_analysis.py")


def produce(path: Path) -> dict[str, Any]:
    scenario = read_run_scenario(path.read_text(encoding="utf-8"), str(path))
    return run_document(scenario, simulate_run(scenario))


@pytest.mark.parametrize("path", [path for path in RUNS if path.stem not in MEASURED_TWICE], ids=lambda path: path.stem)
def test_runs_end_as_in_the_controller(path: Path) -> None:
    golden = json.loads((DATA / "golden-runs" / f"{path.stem}.json").read_text(encoding="utf-8"))
    produced = produce(path)
    assert list(RULES.differences(golden, produced)) == []
    # The rules leave out the provider's words about an error; these are equal too.
    assert produced["status"].get("message") == golden["status"].get("message")


def test_the_exceptions_are_still_needed() -> None:
    assert len(RUNS) == 120
    for name in MEASURED_TWICE:
        golden = json.loads((DATA / "golden-runs" / f"{name}.json").read_text(encoding="utf-8"))
        requests = len(golden["gaps"]["m0"]) + 1
        assert len(golden["status"]["metricResults"][0]["measurements"]) < requests
        assert list(RULES.differences(golden, produce(DATA / "runs" / f"{name}.yaml"))) != []


RUN = """
kind: AnalysisScenario
responses:
  m:
  - %s
---
kind: AnalysisRun
spec:
  metrics:
  - name: m
    interval: 1s
    provider: {web: {url: http://metrics.example.com}}
"""


def test_a_run_that_never_ends_is_refused() -> None:
    with pytest.raises(RollstepError, match="the run does not end"):
        simulate_run(read_run_scenario(RUN % "json: 1", "endless.yaml"))


@pytest.mark.parametrize("answer", ["json: 1\n    text: a", "body: 1", "status: ok"])
def test_an_answer_of_another_form_is_refused_at_its_line(answer: str) -> None:
    with pytest.raises(RollstepError, match=r"run\.yaml:5:\d+: responses\.m\[0\]: "):
        read_run_scenario(RUN % answer, "run.yaml")


def test_a_scenario_without_a_run_is_refused() -> None:
    with pytest.raises(RollstepError, match="expected two documents"):
        read_run_scenario("kind: AnalysisScenario", "run.yaml")


def test_conditions_of_every_kind() -> None:
    lines = [
        '{"result": [1, NaN], "kind": "floats", "successCondition": "isNaN(result[1])"}',
        '{"result": 1, "kind": "float", "failureCondition": "result == 1"}',
        '{"result": 1, "successCondition": "result > 1", "failureCondition": "result < 1"}',
        '{"result": "x", "successCondition": "result > 1"}',
    ]
    produced = evaluate_conditions("\n".join(lines), "c.jsonl")
    assert [line["phase"] for line in produced] == ["Successful", "Failed", "Inconclusive", "Error"]
    assert "mismatched types string and int" in produced[3]["error"]


def test_every_line_that_is_no_condition_is_found() -> None:
    with pytest.raises(RollstepError) as raised:
        evaluate_conditions('{"result": 1}\n[]\n{', "c.jsonl")
    assert [(finding.file, finding.line) for finding in raised.value.findings] == [("c.jsonl", 2), ("c.jsonl", 3)]


def test_the_command_prints_runs_and_conditions(tmp_path: Path) -> None:
    path = DATA / "runs" / "run-002.yaml"
    printed = CliRunner().invoke(command, [str(path), "--output", "json"], catch_exceptions=False)
    assert json.loads(printed.output) == produce(path)
    table = CliRunner().invoke(command, [str(path)], catch_exceptions=False).output
    assert 'Metric "m0" assessed Failed' in table
    assert "m1 (dry run)" in table
    lines = tmp_path / "c.jsonl"
    lines.write_text('{"result": 1, "successCondition": "result > 1"}\n{"result": 2}\n')
    printed = CliRunner().invoke(command, [str(lines), "--output", "json"], catch_exceptions=False)
    assert [json.loads(line) for line in printed.output.splitlines()] == [{"phase": "Failed"}, {"phase": "Successful"}]
    assert "Failed" in CliRunner().invoke(command, [str(lines)], catch_exceptions=False).output
