"""A release that measures itself: it goes on, or goes back with its evidence in the commit.

More of it, which takes longer, is in ``tests/e2e/test_analysis_flows.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.commands import ONE, TWO, Checkout
from tests.support.metrics import (
    BACKGROUND,
    NOON,
    PROMETHEUS,
    RUNS,
    WEB,
    Metrics,
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


@pytest.fixture(scope="module")
def shared() -> Iterator[Metrics]:
    with metrics_server(good) as server:
        yield server


@pytest.fixture(scope="module")
def base(shared: Metrics, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a repository whose release is at its analysis since 12:01."""
    checkout = analyzed(tmp_path_factory.mktemp("base"), shared.address)
    release(checkout)
    advance(checkout, 1)
    return checkout


@pytest.fixture
def server(shared: Metrics) -> Metrics:
    """Return the server with good answers, which was asked nothing."""
    shared.answer = good
    shared.asked.clear()
    return shared


@pytest.fixture
def checkout(base: Checkout, tmp_path: Path) -> Checkout:
    return base.copy(tmp_path / "repository")


def test_a_good_version_goes_on(checkout: Checkout, server: Metrics) -> None:
    assert "the next measurement at 2026-03-01T12:03:00Z" in advance(checkout, 2)
    assert checkout.subjects[0].startswith("web (prod): measured, step 1/3, 20% to 2.0.0")
    before = checkout.snapshot()
    assert "the next measurement at 2026-03-01T12:03:00Z" in advance(checkout, 2, 30)
    assert checkout.snapshot() == before
    advance(checkout, 3)
    assert checkout.subjects[0].startswith("web (prod): step 2/3, 60% to 2.0.0")
    assert "Rollstep-Analysis: web-757fd686f6-2-1 Successful" in checkout.git("log", "-1")
    assert [moment for _, moment in server.asked] == [NOON + timedelta(minutes=minute) for minute in (1, 2, 3)]
    (run,) = runs(checkout)
    assert (run["status"]["phase"], run["status"]["completedAt"]) == ("Successful", at(3))
    checkout.run("verify")
    checkout.run("render", "--check", "--no-validate", "prod/web")


def test_a_bad_version_goes_back_with_the_evidence(checkout: Checkout, server: Metrics) -> None:
    server.answer = bad_after(2)
    assert "`rollstep retry prod/web` starts it again" in advance(checkout, 12)
    message = checkout.git("log", "-1", "--format=%B")
    assert message.startswith("web (prod): aborted, 100% to 1.0.0 (cd4ff96b7), success-rate Failed\n")
    assert 'Metric "success-rate" assessed Failed due to failed (1) > failureLimit (0)' in message
    assert f"{server.address}/graph?g0.expr=success-rate" in message
    assert "[0.99] [0.42]" in message
    assert "success: result[0] >= 0.95, failureLimit 0" in message
    assert "Rollstep-Verb: analyze" in message
    assert "Rollstep-Analysis: web-757fd686f6-2-1 Failed" in message
    assert checkout.weight("prod/web") == "0"
    assert checkout.json("status", "prod/web", code=1)[0]["phase"] == "Degraded"
    checkout.run("verify")
    checkout.run("render", "--check", "--no-validate", "prod/web")


def test_a_present_only_metric_is_measured_now(tmp_path: Path) -> None:
    with metrics_server(good) as server:
        metrics = WEB.format(name="health", interval="1m", count=2, limit=0, address=server.address)
        checkout = analyzed(tmp_path, server.address, metrics=metrics)
        release(checkout)
        advance(checkout, 1)
        advance(checkout, 7)
        advance(checkout, 9)
    assert {(moment, value) for _, _, moment, value in measurements(checkout)} == {(at(7), "0.99"), (at(9), "0.99")}
    assert checkout.subjects[0].startswith("web (prod): step 2/3")
    checkout.run("verify")


def test_verify_refuses_what_was_not_measured(checkout: Checkout, server: Metrics, tmp_path: Path) -> None:
    server.answer = bad_after(3)
    advance(checkout, 2)
    start = checkout.head
    advance(checkout, 3)
    checkout.run("verify", f"{start}..")
    checkout.run("verify", "--requery", f"{start}..")
    server.answer = good
    asked = checkout.run("verify", "--requery", f"{start}..", code=1).stdout
    assert "at 2026-03-01T12:03:00Z is Failed [0.42], and the provider answers Successful [0.99] now" in asked
    edits = {
        "another value": ("[0.42]", "[0.97]", "is Failed, but '[0.97]' is Successful"),
        "another moment": (
            f'startedAt: "{at(3)}"',
            f'startedAt: "{at(2, 50)}"',
            "at 2026-03-01T12:03:00Z is missing",
        ),
        "another verdict": ("  phase: Failed\n  message", "  phase: Successful\n  message", "was edited by hand"),
        "another limit": ("failureLimit: 0", "failureLimit: 3", "was edited by hand"),
    }
    for name, (old, new, expected) in edits.items():
        copy = checkout.copy(tmp_path.parent / f"{tmp_path.name}-{name.replace(' ', '-')}")
        copy.edit(RUNS, old, new)
        copy.git("commit", "--quiet", "--all", "--amend", "--no-edit")
        assert expected in copy.run("verify", f"{start}..", code=1).stdout, name


def test_an_unmapped_address_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with metrics_server(good) as server:
        checkout = analyzed(tmp_path, "http://prometheus.monitoring.svc:9090")
        release(checkout)
        advance(checkout, 1)
        before = checkout.snapshot()
        said = advance(checkout, 2, code=1)
        assert "prometheus.monitoring.svc is a name within the cluster: map it in analysis.addresses" in said
        assert "analysis: manual" in said
        assert checkout.snapshot() == before
        settings = f"defaults:\n  analysis:\n    addresses: {{prometheus.monitoring.svc:9090: '{server.address}'}}\n"
        checkout.edit("rollstep.yaml", "defaults:\n", settings)
        checkout.commit("Map the address")
        advance(checkout, 3)
        assert server.asked


def test_manual_waits_for_a_person(tmp_path: Path) -> None:
    with metrics_server(good) as server:
        checkout = analyzed(tmp_path, server.address)
        checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  analysis: manual\n")
        checkout.commit("Promote by hand")
        release(checkout)
        advance(checkout, 1)
        assert "`rollstep promote prod/web` takes it as passed" in advance(checkout, 20)
        checkout.run("promote", "prod/web", "--no-validate", "--now", at(21))
        assert not server.asked
    assert checkout.subjects[0].startswith("web (prod): promote, step 2/3")
    checkout.run("verify")


@pytest.mark.usefixtures("server")
def test_promote_ends_an_analysis_that_is_measured(checkout: Checkout) -> None:
    advance(checkout, 2)
    checkout.run("promote", "prod/web", "--no-validate", "--now", at(2, 30))
    (run,) = runs(checkout)
    assert run["status"]["message"] == "Run Terminated"
    checkout.run("verify")


@pytest.mark.usefixtures("server")
def test_analyze_measures_and_tells_the_next_time(checkout: Checkout) -> None:
    (entry,) = checkout.json("analyze", "prod/web", "--no-validate", "--now", at(2))
    assert (entry["moved"], entry["until"]) == (True, at(3))
    (entry,) = checkout.json("analyze", "prod/web", "--no-validate", "--now", at(2, 30))
    assert (entry["moved"], entry["until"]) == (False, at(3))
    (entry,) = checkout.json("analyze", "prod/web", "--no-validate", "--now", at(3))
    assert (entry["moved"], entry["currentStepIndex"]) == (True, 2)
    # Without an analysis there is nothing to do.
    (entry,) = checkout.json("analyze", "prod/web", "--no-validate", "--now", at(4))
    assert not entry["moved"]
    checkout.run("verify")
    assert json.loads(checkout.run("history", "prod/web", "-o", "json").stdout)


def test_a_revert_of_the_verdict_is_held(checkout: Checkout, server: Metrics) -> None:
    server.answer = bad_after(0)
    advance(checkout, 2)
    checkout.git("revert", "--no-edit", "HEAD")
    for minute in (3, 4):
        assert "held:" in advance(checkout, minute)
    assert checkout.subjects[0].startswith('Revert "web (prod): aborted')
    # The revert takes the image out of quarantine, which only a lift may do.
    assert "is taken out of quarantine" in checkout.run("verify", code=1).stdout


def test_a_freeze_keeps_the_measurements_and_not_the_way_back(checkout: Checkout, server: Metrics) -> None:
    server.answer = bad_after(4)
    checkout.run("freeze", "add", "--until", at(600), "--reason", "Holidays", "--now", at(1, 30))
    assert "frozen" in advance(checkout, 3)
    assert len(measurements(checkout)) == 3
    assert "frozen" in advance(checkout, 5)
    assert checkout.json("status", "prod/web")[0]["currentStepIndex"] == 1
    checkout.run("verify")


@pytest.mark.usefixtures("server")
def test_another_version_begins_in_the_middle(checkout: Checkout) -> None:
    advance(checkout, 2)
    checkout.edit("environments/prod/web/rollout.yaml", TWO, ONE.replace("1.0.0", "3.0.0"))
    checkout.commit("Release 3.0.0")
    checkout.run("analyze", "prod/web", "--no-validate", "--now", at(2, 30))
    advance(checkout, 3)
    assert runs(checkout) == []
    assert checkout.subjects[0].startswith("web (prod): step 1/3, 20% to 3.0.0")
    checkout.run("verify")


def test_an_abort_by_hand_ends_the_run(checkout: Checkout, server: Metrics) -> None:
    advance(checkout, 2)
    checkout.run("abort", "prod/web", "--no-validate", "--now", at(2, 20))
    asked = len(server.asked)
    advance(checkout, 9)
    assert len(server.asked) == asked
    (run,) = runs(checkout)
    assert (run["status"]["phase"], run["status"]["message"]) == ("Successful", "Run Terminated")
    checkout.run("verify")


@pytest.mark.parametrize("holds", [False, True])
def test_the_last_step_waits_where_the_settings_say_so(tmp_path: Path, holds: bool) -> None:
    with metrics_server(good) as server:
        checkout = analyzed(tmp_path, server.address, canary=BACKGROUND)
        if holds:
            checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  analysis: {holdLastStep: true}\n")
            checkout.commit("Hold the last step")
        release(checkout)
        advance(checkout, 1)
        advance(checkout, 1, 10)
        said = advance(checkout, 1, 20)
        assert ("promoted" in said) != holds
        said = advance(checkout, 3, 30)
        assert ("promoted" in said) == holds
    checkout.run("verify")


def test_watch_measures_until_the_verdict(tmp_path: Path) -> None:
    with metrics_server(bad_after(-10_000_000)) as server:
        metrics = PROMETHEUS.format(name="success-rate", interval="1s", count=3, limit=1, address=server.address)
        checkout = analyzed(tmp_path, server.address, metrics=metrics)
        checkout.run("advance", "prod/web", "--no-validate")
        checkout.edit("environments/prod/web/rollout.yaml", ONE, TWO)
        checkout.commit("Release 2.0.0")
        checkout.run("advance", "prod/web", "--no-validate")
        commits = len(checkout.subjects)
        checkout.run("analyze", "prod/web", "--watch", "--no-validate", code=1)
    # Measurements that can be asked for again wait for the commit of the verdict.
    assert len(checkout.subjects) == commits + 1
    assert "success-rate Failed" in checkout.subjects[0]
    checkout.run("verify")
