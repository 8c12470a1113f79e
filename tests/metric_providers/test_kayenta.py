"""Kayenta: a judgement begins, is asked for, and ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from renderer.metric_providers.access import RunReference
from renderer.rollouts.analysis.run import Measurement, RunStatus
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply

SCOPE = {"scope": "web", "region": "eu", "step": 60}
FIELDS = {
    "application": "shop",
    "canaryConfigName": "web",
    "metricsAccountName": "m",
    "configurationAccountName": "c",
    "storageAccountName": "s",
    "threshold": {"pass": 90, "marginal": 60},
    "scopes": [{"name": "default", "controlScope": SCOPE, "experimentScope": SCOPE}],
    "lookback": True,
}
CONFIGS = Reply([{"id": "1", "name": "other"}, {"id": "17", "name": "web", "applications": ["shop"]}])


def test_a_judgement_begins(measured: Measured) -> None:
    run = RunReference(status=RunStatus(started_at=AT - timedelta(hours=1)))
    with MetricServer(CONFIGS, Reply({"canaryExecutionId": "01ABC"})) as server:
        found = measured("kayenta", {"address": server.url, **FIELDS}, run=run)
        assert (found.phase, found.metadata) == ("Running", {"canaryExecutionId": "01ABC"})
        assert found.resume_at == AT + timedelta(seconds=15)
        assert found.finished_at is None
        first, second = server.received
        assert first.query == {"application": "shop", "configurationAccountName": "s"}
        assert second.path == "/canary/17"
        scope = second.json["scopes"]["default"]["controlScope"]
        assert (scope["start"], scope["end"]) == ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")
        assert second.json["thresholds"] == {"pass": 90, "marginal": 60}


def score(value: float) -> dict[str, object]:
    return {"complete": True, "result": {"judgeResult": {"score": {"score": value}}}}


@pytest.mark.parametrize(
    ("reply", "phase", "value", "message"),
    [
        (Reply(score(90.9)), "Successful", "90", ""),
        (Reply(score(89.9)), "Inconclusive", "89", ""),
        (Reply(score(10)), "Failed", "10", ""),
        (Reply({"complete": False}), "Running", "", ""),
        (Reply({}), "Error", "", "Missing Complete Status"),
        (Reply({"complete": True}), "Error", "", "Missing Score"),
        (Reply(b"", 500), "Error", "", "Invalid Response"),
    ],
)
def test_a_judgement_is_asked_for(measured: Measured, reply: Reply, phase: str, value: str, message: str) -> None:
    begun = Measurement("Running", started_at=AT, metadata={"canaryExecutionId": "01ABC"})
    with MetricServer(reply) as server:
        found = measured("kayenta", {"address": server.url, **FIELDS}, incomplete=begun)
        assert server.last.path == "/canary/01ABC"
    assert (found.phase, found.value, found.message) == (phase, value, message)
    assert (found.started_at, found.metadata) == (begun.started_at, begun.metadata)


def test_a_judgement_that_cannot_begin(measured: Measured) -> None:
    with MetricServer(Reply([])) as server:
        fields = {"address": server.url, **FIELDS}
        assert measured("kayenta", fields).message == "Canary config not found"
        server.replies[:] = [Reply(b"", 404)]
        assert measured("kayenta", fields).message == "Invalid Response: HTTP 404"
        server.replies[:] = [CONFIGS]
        found = measured("kayenta", {**fields, "lookback": False})
        assert found.message == 'Invalid duration "": time: invalid duration ""'
        one = {"name": "a", "controlScope": {**SCOPE, "start": "x"}, "experimentScope": SCOPE}
        found = measured("kayenta", {**fields, "scopes": [one]})
        assert found.message == "controlScope.start and experimentScope.start must both be set or be empty"


def test_a_terminated_judgement_stays(measured: Measured) -> None:
    begun = Measurement("Running", metadata={"canaryExecutionId": "01ABC"})
    found = measured("kayenta", {"address": "http://127.0.0.1:1", **FIELDS}, incomplete=begun, terminates=True)
    assert found == replace(begun)
