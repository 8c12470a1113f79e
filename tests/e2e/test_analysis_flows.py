"""Flows of releases that measure themselves which take longer: in phases, blue-green, with experiments, and others."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.support.commands import ONE, STEP_ORDER, TWO
from tests.support.metrics import (
    BACKGROUND,
    NOON,
    PROMETHEUS,
    advance,
    analyzed,
    at,
    bad_after,
    good,
    measurements,
    metrics_server,
    release,
    runs,
)


def test_the_same_verdict_however_often_the_pipeline_runs(tmp_path: Path) -> None:
    metrics = {
        "success-rate": ("1m", 8, 1),
        "latency": ("30s", 12, 2),
    }

    def answer(query: str, moment: datetime) -> float:
        minute = (moment - NOON).total_seconds() / 60
        return 0.5 if (query == "success-rate" and minute in (3, 7)) or (query == "latency" and minute == 2.5) else 0.99

    seen = []
    with metrics_server(answer) as server:
        template = "".join(
            PROMETHEUS.format(name=name, interval=interval, count=count, limit=limit, address=server.address)
            for name, (interval, count, limit) in metrics.items()
        )
        for name, seconds in (("often", 10), ("seldom", 600)):
            (tmp_path / name).mkdir()
            checkout = analyzed(tmp_path / name, server.address, metrics=template)
            release(checkout)
            advance(checkout, 1)
            for second in range(seconds, 1201, seconds):
                advance(checkout, 1 + second // 60, second % 60)
                if runs(checkout)[0]["status"]["phase"] == "Failed":
                    break
            (run,) = runs(checkout)
            seen.append((measurements(checkout), run["status"]["phase"], run["status"]["message"]))
            checkout.run("verify")
    often, seldom = seen
    assert often == seldom
    assert often[1] == "Failed"
    assert len(often[0]) == 7 + 12


def test_a_retry_measures_anew(tmp_path: Path) -> None:
    with metrics_server(bad_after(0)) as server:
        checkout = analyzed(tmp_path, server.address)
        release(checkout)
        advance(checkout, 1)
        advance(checkout, 2)
        server.answer = good
        image = "registry.example.com/shop/web:2.0.0"
        assert image in advance(checkout, 2, 10)
        checkout.run("quarantine", "lift", image, "--reason", "The database was down", "--now", at(2, 30))
        checkout.run("retry", "prod/web", "--no-validate", "--now", at(3))
        for minute in (4, 5, 6, 7, 8):
            advance(checkout, minute)
    assert [run["metadata"]["name"] for run in runs(checkout)] == ["web-757fd686f6-2-1", "web-757fd686f6-2-1.1"]
    assert "promoted" in checkout.git("log", "--format=%s", "-2")
    checkout.run("verify")


@pytest.mark.parametrize("order", ["phases", "waves"])
def test_a_background_analysis_in_phases(tmp_path: Path, order: str) -> None:
    metrics = "  - name: success-rate\n    interval: 1m\n    successCondition: result[0] >= 0.95\n    provider:\n"
    with metrics_server(bad_after(8)) as server:
        prometheus = f"      prometheus: {{address: '{server.address}', query: success-rate}}\n"
        checkout = analyzed(tmp_path, server.address, metrics=metrics + prometheus, canary=BACKGROUND)
        settings = "defaults:\n  sync: argocd\n" if order == "waves" else "defaults:\n"
        settings += "  analysis: {holdLastStep: true}\n"
        checkout.edit("rollstep.yaml", f"defaults:\n{STEP_ORDER}", settings)
        checkout.commit("Use the order")
        release(checkout)
        for minute in range(1, 14):
            advance(checkout, minute)
            if "aborted" in checkout.subjects[0]:
                break
    assert minute <= 9
    assert {moment for _, _, moment, _ in measurements(checkout)} >= {at(7), at(8)}
    checkout.run("verify")


BLUE_GREEN = """\
    blueGreen:
      activeService: web-stable
      previewService: web-canary
      prePromotionAnalysis:
        templates: [{templateName: success-rate}]
      postPromotionAnalysis:
        templates: [{templateName: success-rate}]
"""


@pytest.mark.parametrize("bad_from", [100, 5, 2])
def test_analyses_of_a_blue_green_release(tmp_path: Path, bad_from: int) -> None:
    with metrics_server(bad_after(bad_from)) as server:
        checkout = analyzed(tmp_path, server.address)
        file = tmp_path / "environments/prod/web/rollout.yaml"
        file.write_text(file.read_text().partition("    canary:\n")[0] + BLUE_GREEN)
        checkout.commit("Use blue-green")
        release(checkout)
        for minute in range(1, 13):
            advance(checkout, minute)
            if "aborted" in checkout.subjects[0]:
                break
    phases = {run["metadata"]["name"].rpartition("-")[2]: run["status"]["phase"] for run in runs(checkout)}
    expected = {100: {"pre": "Successful", "post": "Successful"}, 5: {"pre": "Successful", "post": "Failed"}}
    assert phases == expected.get(bad_from, {"pre": "Failed"})
    is_promoted = checkout.json("status", "prod/web", code=-1)[0]["phase"] == "Committed"
    assert is_promoted == (bad_from == 100)
    checkout.run("verify")


def test_the_apps_beside_one_with_a_fault_go_on(tmp_path: Path) -> None:
    with metrics_server(good) as server:
        checkout = analyzed(tmp_path, server.address)
        release(checkout)
        advance(checkout, 1)
        checkout.run("advance", "--all", "--yes", "--no-validate", "--now", at(1, 10))
        template = tmp_path / "environments/prod/web/analysis.yaml"
        template.write_text(template.read_text().replace(server.address, "http://prometheus.monitoring.svc:9090"))
        checkout.edit("environments/staging/web/rollout.yaml", ONE, TWO)
        checkout.commit("Break the analysis of one app")
        done = checkout.run("advance", "--all", "--yes", "--no-validate", "--now", at(2), code=1)
    assert "prometheus.monitoring.svc is a name within the cluster" in done.stderr
    assert "web (staging): step" in done.stdout


def test_a_provider_that_does_not_answer_counts_once_for_each_pipeline(tmp_path: Path) -> None:
    with metrics_server(lambda _, __: 503) as server:
        checkout = analyzed(tmp_path, server.address)
        release(checkout)
        advance(checkout, 1)
        for minute in (20, 40, 60, 80):
            advance(checkout, minute)
            assert checkout.json("status", "prod/web")[0]["currentStepIndex"] == 1
        advance(checkout, 100)
    assert checkout.subjects[0].startswith("web (prod): aborted, 100% to 1.0.0 (cd4ff96b7), success-rate Error")
    assert {moment for _, _, moment, _ in measurements(checkout)} == {at(minute) for minute in (20, 40, 60, 80, 100)}
    checkout.run("verify")


EXPERIMENT = """\
      steps:
        - setWeight: 20
        - experiment:
            templates: [{name: try, specRef: canary}]
            analyses: [{name: rate, templateName: success-rate, requiredForCompletion: true}]
        - setWeight: 60
"""


@pytest.mark.parametrize(("bad_from", "step"), [(100, 2), (2, 0)])
def test_the_analysis_of_an_experiment(tmp_path: Path, bad_from: int, step: int) -> None:
    with metrics_server(bad_after(bad_from)) as server:
        checkout = analyzed(tmp_path, server.address, canary=EXPERIMENT)
        release(checkout)
        for minute in range(1, 6):
            advance(checkout, minute)
            if runs(checkout) and runs(checkout)[0]["status"]["phase"] != "Running":
                break
        (run,) = runs(checkout)
        assert run["metadata"]["name"] == "web-757fd686f6-2-1-rate"
        assert run["status"]["phase"] == ("Successful" if step else "Failed")
        assert checkout.json("status", "prod/web", code=-1)[0]["currentStepIndex"] == step
        checkout.run("verify")
