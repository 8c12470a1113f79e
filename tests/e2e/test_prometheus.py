"""Measurements from a real Prometheus, of the present and the past, and the queries of the shipped templates."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.render.shipped_analyses import shipped_names, shipped_template
from renderer.rollouts.analysis.arguments import Argument, arguments_of, resolve_metric
from tests.e2e.build import BIN
from tests.e2e.prometheus import BAD_SINCE, BEGIN, MINUTES, RATE, RECORDED, Prometheus, measured, record


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with Prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


def test_the_recorded_answers_are_its_answers(prometheus: Prometheus) -> None:
    assert record(prometheus.url) == json.loads(RECORDED.read_text(encoding="utf-8"))


def test_every_moment_of_the_past_has_its_own_value(prometheus: Prometheus) -> None:
    for minute in range(10, MINUTES, 7):
        at = BEGIN + timedelta(minutes=minute)
        found = measured(prometheus.url, at, {"query": RATE}, "result[0] >= 0.95")
        wrong = sum(0.2 / 4 for step in range(4) if minute - step >= BAD_SINCE)
        assert found.phase == ("Successful" if 1 - wrong >= 0.95 - 1e-9 else "Failed"), (minute, found)
        assert float(found.value[1:-1]) == pytest.approx(1 - wrong, abs=0.02)


@pytest.mark.parametrize("name", shipped_names())
def test_the_query_of_a_shipped_template_is_promql(prometheus: Prometheus, tmp_path: Path, name: str) -> None:
    template = shipped_template(name)
    assert template is not None
    own = arguments_of(template["spec"]["args"])
    (body,) = template["spec"]["metrics"]
    metric = resolve_metric(body, [Argument(item.name, item.value or "web") for item in own])
    query = metric.provider["prometheus"]["query"]
    (tmp_path / "rules.yml").write_text(dump({"groups": [{"name": "a", "rules": [{"record": "a:b", "expr": query}]}]}))
    done = subprocess.run(
        [BIN / "promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = measured(prometheus.url, BEGIN, {"query": query}, metric.success_condition)
    assert (found.phase, found.value, found.message) == ("Failed", "[]", "")
