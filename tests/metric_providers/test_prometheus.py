"""Prometheus: what is asked, and the controller's phase, value and message for each answer."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, measure, problems
from renderer.rollouts.analysis.metrics import metric_of
from renderer.rollouts.analysis.run import Task
from tests.metric_providers.conftest import AT, Measured
from tests.support.forge_server import DESCRIPTIONS
from tests.support.metric_server import MetricServer, Reply

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"
NOW = str(int(AT.timestamp()))


def data(kind: str, result: Any, **more: Any) -> Reply:
    return Reply({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def serve(*replies: Reply) -> MetricServer:
    return MetricServer(*replies, description="prometheus")


@pytest.mark.parametrize(
    ("reply", "success", "phase", "value", "message"),
    [
        (data("scalar", [1, "0.5"]), "result == 0.5", "Successful", "0.5", ""),
        (data("vector", [{"metric": {}, "value": [1, "10"]}]), "result[0] > 9", "Successful", "[10]", ""),
        (
            data("vector", [{"metric": {}, "value": [1, "1e-07"]}, {"value": [1, "12345678900000000000000"]}]),
            "result[1] < 1",
            "Failed",
            "[0.0000001,12345678900000000000000]",
            "",
        ),
        (data("matrix", [{"values": [[1, "1"], [2, "2"]]}, {"values": [[1, "3"]]}]), "", "Successful", "[1,2,3]", ""),
        (data("vector", [{"metric": {}, "value": [1, "NaN"]}]), "result[0] > 0.9", "Failed", "[NaN]", ""),
        (data("vector", [{"value": [1, "+Inf"]}]), "isInf(result[0])", "Successful", "[+Inf]", ""),
        (data("vector", [{"histogram": [1, {"count": "2"}]}]), "result[0] == 0", "Successful", "[0]", ""),
        (data("vector", []), "len(result) == 0", "Successful", "[]", ""),
        (
            data("vector", []),
            "result[0] > 0.9",
            "Error",
            "",
            'could not evaluate successCondition "result[0] > 0.9": ' + NO_DATA,
        ),
        (data("string", [1, "x"]), "", "Error", "", 'unexpected value type "string"'),
        (
            data("vector", [{"value": [1, "ten"]}]),
            "",
            "Error",
            "",
            'strconv.ParseFloat: parsing "ten": invalid syntax',
        ),
        (Reply(b"<html>"), "", "Error", "", "bad_response: invalid character '<' looking for beginning of value"),
        (Reply(b""), "", "Error", "", "bad_response: unexpected end of JSON input"),
        (Reply({"status": "success", "data": None}), "", "Error", "", 'unexpected value type ""'),
        (
            Reply({"status": "success"}),
            "",
            "Error",
            "",
            "Skip: do not know how to skip: 0, error found in #0 byte of ...||..., bigger context ...||...",
        ),
        (
            Reply({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400),
            "",
            "Error",
            "",
            "bad_data: parse error",
        ),
        (Reply({"status": "success"}, 422), "", "Error", "", "bad_response: inconsistent body for response code"),
        (Reply(b"no", 401), "", "Error", "", "client_error: client error: 401"),
        (Reply(b"no", 503), "", "Error", "", "server_error: server error: 503"),
        (Reply(b"", 304), "", "Error", "", "bad_response: bad response code 304"),
    ],
)
def test_an_answer_is_assessed(
    measured: Measured, reply: Reply, success: str, phase: str, value: str, message: str
) -> None:
    with serve(reply) as server:
        found = measured("prometheus", {"address": server.url, "query": "up"}, success)
    assert (found.phase, found.value, found.message) == (phase, value, message)


def test_the_moment_is_asked_for(measured: Measured) -> None:
    with serve(data("scalar", [1, "1"])) as server:
        measured("prometheus", {"address": f"{server.url}/", "query": "a b+c"})
        assert (server.last.method, server.last.path) == ("POST", "/api/v1/query")
        assert server.last.form == {"query": "a b+c", "time": NOW}


def test_a_range_is_relative_to_the_moment(measured: Measured) -> None:
    times = {"start": 'now() - duration("5m")', "end": "now()", "step": "1m30s"}
    with serve(data("matrix", [])) as server:
        measured("prometheus", {"address": server.url, "query": "up", "rangeQuery": times})
        assert server.last.path == "/api/v1/query_range"
        start = str(int(AT.timestamp()) - 300)
        assert server.last.form == {"query": "up", "start": start, "end": NOW, "step": "90"}
        found = measured("prometheus", {"address": server.url, "query": "up", "rangeQuery": {**times, "end": "1"}})
        assert found.message.startswith("failed to parse rangeQuery.end as time: ")
        found = measured("prometheus", {"address": server.url, "query": "up", "rangeQuery": {**times, "step": "x"}})
        assert found.message == 'failed to parse rangeQuery.step as duration: time: invalid duration "x"'


def test_a_server_without_post_is_asked_with_get(measured: Measured) -> None:
    with serve(Reply(b"", 405), data("scalar", [1, "7"])) as server:
        assert measured("prometheus", {"address": server.url, "query": "up"}).value == "7"
        assert (server.last.method, server.last.query) == ("GET", {"query": "up", "time": NOW})


def test_headers_of_the_metric_win(measured: Measured) -> None:
    headers = [{"key": "authorization", "value": "Bearer own"}, {"key": "X-Scope-OrgID", "value": "shop"}]
    with serve(data("scalar", [1, "7"])) as server:
        measured("prometheus", {"address": server.url, "query": "up", "headers": headers})
        assert server.last.headers["authorization"] == "Bearer own"
        assert server.last.headers["x-scope-orgid"] == "shop"


def test_a_user_of_the_address_is_basic_authentication(measured: Measured) -> None:
    with serve(data("scalar", [1, "7"])) as server:
        measured("prometheus", {"address": server.url.replace("//", "//ann:pass@"), "query": "up"})
        assert server.last.headers["authorization"] == "Basic YW5uOnBhc3M="


def test_warnings_are_kept(measured: Measured) -> None:
    with serve(data("vector", [], warnings=["one", "two"])) as server:
        assert measured("prometheus", {"address": server.url, "query": "up"}).metadata == {"warnings": '"one", "two"'}


def test_oauth2_asks_for_a_token_first(measured: Measured) -> None:
    settings = {"clientId": "id", "clientSecret": "s3cret", "scopes": ["a", "b"]}
    with serve(data("scalar", [1, "7"])) as server, MetricServer(Reply({"access_token": "t0ken"})) as tokens:
        oauth2 = {**settings, "tokenUrl": f"{tokens.url}/token"}
        fields = {"address": server.url, "query": "up", "authentication": {"oauth2": oauth2}}
        assert measured("prometheus", fields).value == "7"
        assert server.last.headers["authorization"] == "Bearer t0ken"
        assert tokens.last.form == {"grant_type": "client_credentials", "scope": "a b"}
        assert tokens.last.headers["authorization"] == "Basic aWQ6czNjcmV0"
        tokens.replies[:] = [Reply(b"s3cret is wrong", 401), Reply({"access_token": "other"})]
        assert measured("prometheus", fields).value == "7"
        assert tokens.last.form["client_secret"] == "s3cret"
        tokens.replies[:] = [Reply({"error": "invalid_client", "error_description": "s3cret is wrong"}, 401)]
        assert measured("prometheus", fields).message == 'oauth2: "invalid_client" "***** is wrong"'
        tokens.replies[:] = [Reply(b"s3cret", 500, {"Content-Type": "text/html"})]
        assert measured("prometheus", fields).message == (
            "oauth2: cannot fetch token: 500 Internal Server Error\nResponse: *****"
        )
        del oauth2["clientSecret"]
        assert measured("prometheus", fields).message == "missing mandatory parameter in metric for OAuth2 setup"


def test_the_address_is_checked_as_the_controller_does(measured: Measured) -> None:
    assert measured("prometheus", {"query": "up"}).message == "prometheus address is not configured"
    assert measured("prometheus", {"address": "host:9090"}).message == "prometheus address is not is url format"
    found = measured("prometheus", {"address": "http://a", "timeout": -1})
    assert found.message == "prometheus timeout should not be negative"
    with serve(data("scalar", [1, "7"])) as server:
        access = Access(environment={"ARGO_ROLLOUTS_PROMETHEUS_ADDRESS": server.url})
        assert measured("prometheus", {"query": "up"}, access=access).value == "7"


def test_a_signature_of_aws_is_for_their_workspaces_only(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA123")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-s3cret")
    sigv4 = {"authentication": {"sigv4": {"region": "eu-west-1"}}, "query": "up"}
    with serve(data("scalar", [1, "7"])) as server:
        access = Access(addresses={"https://aps-workspaces.eu-west-1.amazonaws.com": server.url})
        fields = {"address": "https://aps-workspaces.eu-west-1.amazonaws.com", **sigv4}
        assert measured("prometheus", fields, access=access).value == "7"
        signature = server.last.headers["authorization"]
        assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIA123/")
        assert "/eu-west-1/aps/aws4_request" in signature
        measured("prometheus", {"address": server.url, **sigv4})
        assert "authorization" not in server.last.headers


def test_problems_and_the_past() -> None:
    metric = metric_of({"provider": {"prometheus": {"address": "http://prometheus.monitoring.svc:9090"}}})
    assert has_past(metric)
    (problem,) = problems(metric, Access())
    assert problem.startswith("prometheus.monitoring.svc is a name within the cluster: map it in analysis.addresses")
    assert problems(metric, Access(in_cluster=True)) == ()
    assert problems(metric, Access(addresses={"prometheus.monitoring.svc:9090": "https://prom.example.com"})) == ()
    assert problems(metric_of({"provider": {"prometheus": {"address": "https://prom.example.com"}}}), Access()) == ()
    assert problems(metric_of({"provider": {"prometheus": {"address": "{{args.address}}"}}}), Access()) == ()


RECORDED = json.loads((DESCRIPTIONS.parent / "prometheus" / "recorded.json").read_text(encoding="utf-8"))
"""Answers of a real Prometheus, which the end-to-end tests hold against it."""


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["fields"]["query"]))
def test_an_answer_of_prometheus_is_measured_as_recorded(case: dict[str, Any]) -> None:
    with serve(Reply(case["answer"], case["status"])) as server:
        provider = {"prometheus": {"address": server.url, **case["fields"]}}
        metric = metric_of({"name": "m", "provider": provider, "successCondition": case["success"]})
        (found,) = measure([Task(metric)], datetime.fromisoformat(case["at"]), Access())
    expected = case["measurement"]
    assert {"phase": found.phase, "value": found.value, "message": found.message} | {
        "metadata": found.metadata
    } == expected
