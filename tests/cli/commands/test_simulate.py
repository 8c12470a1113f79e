from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from renderer.cli.commands.simulate import command
from renderer.errors import UsageError

SCENARIO = """\
kind: Scenario
name: old-pods
actions: [{setImage: "*=registry.example.com/web:2"}, promoteFull]
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "registry.example.com/web:1"}]}
  strategy: {blueGreen: {activeService: web, scaleDownDelaySeconds: 0}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], [2, 2]),
        (["--corrections", "none"], [2, 2]),
        (["--corrections", "all"], [0, 2]),
        (["--corrections", "zero-scale-down-delay"], [0, 2]),
    ],
)
def test_corrections_are_made_only_if_named(tmp_path: Path, options: list[str], left: list[int]) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    done = CliRunner().invoke(command, [str(scenario), "--output", "json", *options], catch_exceptions=False)
    objects = json.loads(done.stdout)["frames"][-1]["objects"]
    assert sorted(body["spec"]["replicas"] for body in objects if body["kind"] == "ReplicaSet") == left


def test_an_unknown_correction_is_wrong_usage(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    with pytest.raises(UsageError, match="--corrections: unknown faults; known are aborted-traffic"):
        CliRunner().invoke(command, [str(scenario), "--corrections", "all,faults"], catch_exceptions=False)
