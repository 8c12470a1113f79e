"""The pages of a release that was measured: its values and its verdict; and what is in quarantine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.commands import Checkout
from tests.support.metrics import RUNS, Metrics, at, bad_after, metrics_server
from tests.support.site_check import Page, faults
from tests.support.site_story import BAD, HOSTILE, IMAGE, dated, measured_story

WEB = "apps/prod/web"
THREE = IMAGE.format("3.0.0")


@pytest.fixture(scope="module")
def server() -> Iterator[Metrics]:
    with metrics_server(bad_after(BAD)) as metrics:
        yield metrics


@pytest.fixture(scope="module")
def measured(server: Metrics, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path]:
    """Return the repository of the story that was measured, and its site."""
    folder = tmp_path_factory.mktemp("measured")
    checkout = measured_story(folder / "repository", server.address)
    checkout.run("site", "--out", str(folder / "site"))
    return checkout, folder / "site"


@pytest.fixture
def site(measured: tuple[Checkout, Path]) -> Path:
    return measured[1]


@pytest.fixture
def copied(measured: tuple[Checkout, Path], tmp_path: Path) -> tuple[Checkout, Path]:
    shutil.copytree(measured[1], tmp_path / "site")
    return measured[0].copy(tmp_path / "repository"), tmp_path / "site"


def releases(site: Path) -> dict[str, Any]:
    found = json.loads((site / "releases.json").read_text(encoding="utf-8"))
    return {entry["id"]: entry for entry in found if entry["app"] == "web" and entry["environment"] == "prod"}


def text(site: Path, page: str) -> str:
    return " ".join(Page(site / page).text.split())


def test_a_measurement_changes_no_sources(site: Path) -> None:
    assert (releases(site)["3"]["changed"], releases(site)["3"]["began"]) == (at(50), at(60))


def commits(site: Path, name: str) -> list[Any]:
    found: list[Any] = releases(site)[name]["commits"]
    return found


def metrics(commit: Any) -> list[Any]:
    return [metric for run in commit["analysisRuns"] for metric in run["metrics"]]


def test_each_commit_has_what_it_measured(site: Path, server: Metrics) -> None:
    found = [metrics(commit) for commit in commits(site, "2")]
    shown = [[(metric["phase"], metric["count"], metric["values"]) for metric in own] for own in found]
    assert shown == [[], [("Running", 2, "[0.99] [0.99]")], [("Successful", 3, "[0.99]")], []]
    (metric,) = found[2]
    assert (metric["name"], metric["message"]) == ("success-rate", "")
    assert metric["limits"] == "success: result[0] >= 0.95, failureLimit 0"
    assert metric["url"] == f"{server.address}/graph?g0.expr=success-rate&g0.tab=0"
    page = Page(site / WEB / "2.html")
    assert metric["url"] in page.links
    assert "success-rateRunning2[0.99] [0.99]success: result[0] >= 0.95" in text(site, f"{WEB}/2.html")


def test_a_verdict_is_shown_with_its_evidence(site: Path) -> None:
    (abort,) = releases(site)["3"]["aborts"]
    reason = 'Metric "success-rate" assessed Failed due to failed (1) > failureLimit (0)'
    assert abort["verdict"].startswith("the analysis web-")
    assert abort["verdict"].endswith(f" is Failed: {reason}")
    (metric,) = metrics(commits(site, "3")[-1])
    assert (metric["phase"], metric["values"], metric["message"]) == ("Failed", "[0.42]", reason)
    assert text(site, f"{WEB}/3.html").count("success-rateFailed3[0.42]success") == 2
    assert f"Verdict: {abort['verdict']}" in text(site, f"{WEB}/3.html")


def test_a_person_who_aborts_needs_no_verdict(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    checkout.run("retry", "prod/web", "--break-glass", "Try", "--no-validate", "--now", at(70))
    checkout.run("abort", "prod/web", "--no-validate", "--now", at(71))
    checkout.run("site", "--out", str(site))
    first, second = releases(site)["3"]["aborts"]
    assert (first["verdict"] is None, second["verdict"]) == (False, None)


def test_a_commit_of_measurements_alone_is_on_the_timeline(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    checkout.git("reset", "--quiet", "--hard", f"{releases(site)['3']['changeCommit']}^")
    run = (checkout.root / RUNS).read_text(encoding="utf-8")
    (checkout.root / RUNS).write_text(run.replace("[0.99]", "[0.97]", 1), encoding="utf-8")
    dated(checkout, at(20), "commit", "--quiet", "--all", "--message=Edit a measurement")
    checkout.run("site", "--out", str(site))
    last = commits(site, "2")[-1]
    assert (last["subject"], last["verb"], last["time"]) == ("Edit a measurement", None, at(20))
    assert [found["values"] for found in metrics(last)] == ["[0.97]"]
    assert releases(site)["2"]["completed"] == at(10)


def test_the_data_fit_the_schema(site: Path) -> None:
    schema = json.loads((site / "releases.schema.json").read_text(encoding="utf-8"))
    found = json.loads((site / "releases.json").read_text(encoding="utf-8"))
    assert any(metrics(commit) for entry in found for commit in entry["commits"])
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(found)


def test_what_a_file_of_measurements_says_is_text(copied: tuple[Checkout, Path], server: Metrics) -> None:
    checkout, site = copied
    file = checkout.root / RUNS
    run = file.read_text(encoding="utf-8")
    assert list(faults(site, server.address)) == []
    one = f"phase: Error, measurements: [{{phase: Error, startedAt: '{at(64)}'}}]"
    many = "".join(f"  - {{name: m{number}, {one}}}\n" for number in range(80))
    run = run.replace(f"address: {server.address}", "address: javascript:alert(1)//")
    run = run.replace("[0.42]", json.dumps(HOSTILE)[1:-1].replace("'", "")).replace("success-rate", f"x{'y' * 900}")
    run = run.replace("  metricResults:\n", f"  metricResults:\n{many}", 1)
    file.write_text(run, encoding="utf-8")
    dated(checkout, at(80), "commit", "--quiet", "--all", "--message=Edit a measurement")
    checkout.run("site", "--out", str(site))
    last = commits(site, "3")[-1]
    (analysis,) = last["analysisRuns"]
    assert (len(analysis["metrics"]), analysis["metricsLeft"]) == (50, 31)
    assert list(faults(site, server.address)) == []
    assert "And 31 more metrics of" in text(site, f"{WEB}/3.html")


def test_a_damaged_file_of_measurements_is_reported(copied: tuple[Checkout, Path]) -> None:
    checkout, site = copied
    checkout.edit(RUNS, "phase: Failed", "phase: Lost")
    checkout.commit("Damage the measurements")
    sha = checkout.head
    checkout.edit(RUNS, "phase: Lost", "phase: Failed")
    checkout.commit("Repair them")
    assert f"in commit {sha[:9]}: " in checkout.run("site", "--out", str(site), code=1).stderr
    assert "success-rateFailed3[0.42]success" in text(site, f"{WEB}/3.html")


def test_a_version_in_quarantine_says_so(copied: tuple[Checkout, Path], tmp_path: Path) -> None:
    checkout, site = copied
    for page in ("index.html", "environments/prod/index.html", f"{WEB}/index.html"):
        assert "in quarantine" in text(site, page), page
    assert "3.0.0 is in quarantine since 2026-03-01T13:05:00Z" in text(site, f"{WEB}/index.html")
    assert f"1 image in quarantine {THREE} of web is in quarantine since" in text(site, "environments/prod/index.html")
    assert "in quarantine" not in text(site, "apps/prod/api/index.html")
    lift = ("quarantine", "lift", THREE, "--reason", "The database was down", "--now", at(90))
    checkout.run(*lift)
    checkout.run("site", "--out", str(site))
    for page in ("index.html", "environments/prod/index.html", f"{WEB}/index.html"):
        assert "in quarantine" not in text(site, page), page
    checkout.run(
        "quarantine", "add", "registry.example.com/other:1", "--env", "prod", "--reason", HOSTILE, "--now", at(91)
    )
    checkout.run("site", "--out", str(site))
    assert HOSTILE in text(site, "environments/prod/index.html")
    assert "in quarantine" not in text(site, "environments/dev/index.html")
    checkout.edit("environments/prod/web/rollout.yaml", THREE, IMAGE.format("4.0.0"))
    checkout.commit("Bump web again")
    checkout.run("quarantine", "add", IMAGE.format("4.0.0"), "--reason", "It leaks", "--now", at(92))
    checkout.run("site", "--out", str(site))
    assert "4.0.0 waits in quarantine" in text(site, "index.html")
    assert "4.0.0 is in quarantine since 2026-03-01T13:32:00Z: It leaks" in text(site, f"{WEB}/index.html")
    checkout.run("site", "--out", str(tmp_path / "fresh"))
    pages = list(site.rglob("*.html"))
    assert len(pages) > 8
    for path in pages:
        assert (tmp_path / "fresh" / path.relative_to(site)).read_bytes() == path.read_bytes(), path
