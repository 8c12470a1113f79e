"""A web metric: what is sent."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, measure, problems
from renderer.rollouts.analysis.metrics import metric_of
from renderer.rollouts.analysis.run import Task
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply


def test_a_body_is_sent(measured: Measured) -> None:
    with MetricServer(Reply({"v": 0.5})) as server:
        fields: dict[str, Any] = {"url": f"{server.url}/a?b=c%20d", "method": "POST", "jsonPath": "{$.v}"}
        found = measured("web", {**fields, "jsonBody": {"z": [1, "<"], "a": None}}, "result == 0.5")
        assert (found.phase, found.value) == ("Successful", "0.5")
        assert (server.last.path, server.last.query) == ("/a", {"b": "c d"})
        assert server.last.json == {"a": None, "z": [1, "<"]}
        assert server.last.headers["content-type"] == "application/json"
        measured("web", {**fields, "method": "PUT", "body": "text", "headers": [{"key": "X-A", "value": "b"}]})
        assert (server.last.method, server.last.body, server.last.headers["x-a"]) == ("PUT", b"text", "b")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"body": "a", "jsonBody": {}, "method": "POST"},
            "use either Body or JSONBody; both cannot exists for WebMetric payload",
        ),
        ({"body": "a"}, "Body/JSONBody can only be used with POST or PUT WebMetric Method types"),
    ],
)
def test_a_body_that_cannot_be_is_an_error(measured: Measured, fields: dict[str, Any], message: str) -> None:
    found = measured("web", {"url": "http://127.0.0.1:1", **fields})
    assert (found.phase, found.message) == ("Error", message)


@pytest.mark.parametrize(
    ("reply", "phase", "message"),
    [
        (Reply(b"", 401), "Error", "received non 2xx response code: 401"),
        (Reply(b"no json"), "Successful", ""),
        (Reply(b""), "Successful", ""),
        (Reply({"w": 1}), "Error", "Could not find JSONPath in body: v is not found"),
    ],
)
def test_an_answer_is_assessed(measured: Measured, reply: Reply, phase: str, message: str) -> None:
    with MetricServer(reply) as server:
        found = measured("web", {"url": server.url, "jsonPath": "{$.v}"}, "result > 1")
    assert (found.phase, found.message) == (phase, message)


def test_many_metrics_are_measured_in_their_order() -> None:
    with MetricServer(Reply(b"1")) as one, MetricServer(Reply(b"2")) as two:
        tasks = [Task(metric_of({"name": "m", "provider": {"web": {"url": server.url}}})) for server in (one, two) * 10]
        assert [found.value for found in measure(tasks, AT, Access())] == ["1", "2"] * 10


def test_a_provider_without_an_answer_is_named(measured: Measured) -> None:
    with MetricServer(Reply(b"")) as server:
        url = server.url
        for status, is_named in ((200, False), (404, False), (401, True), (429, True), (503, True)):
            server.replies[:] = [Reply(b"", status)]
            unanswered = set[str]()
            measured("web", {"url": url}, unanswered=unanswered)
            assert unanswered == ({"m"} if is_named else set())
    for unreachable in (url, "http://nowhere.invalid"):
        unanswered = set()
        measured("web", {"url": unreachable}, unanswered=unanswered)
        assert unanswered == {"m"}


def test_problems_and_the_past() -> None:
    metric = metric_of({"provider": {"web": {"url": "http://checks/now"}}})
    assert not has_past(metric)
    (problem,) = problems(metric, Access())
    assert problem.startswith("checks is a name within the cluster")
    for url in ("http://127.0.0.1/x", "http://localhost", "http://checks.example.com", "http://[::1]/"):
        assert problems(metric_of({"provider": {"web": {"url": url}}}), Access()) == ()
