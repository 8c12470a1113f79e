"""Datadog, whose requests are held to its published API."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, problems
from renderer.rollouts.analysis.metrics import metric_of
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply

NOW = int(AT.timestamp())
KEYS = {"DD_API_KEY": "api-s3cret", "DD_APP_KEY": "app-s3cret"}
V2 = {"apiVersion": "v2", "query": "avg:errors{*}"}


def serve(*replies: Reply) -> MetricServer:
    return MetricServer(*replies, description="datadog")


def access(server: MetricServer) -> Access:
    return Access(environment={**KEYS, "DD_ADDRESS": server.url})


def columns(*values: Any) -> Reply:
    return Reply({"data": {"type": "scalar_response", "attributes": {"columns": [{"values": list(values)}]}}})


def test_v1_asks_for_an_interval_and_takes_the_last_point(measured: Measured) -> None:
    with serve(Reply({"series": [{"pointlist": [[1, 2.0], [2, 0.0032]]}]})) as server:
        found = measured("datadog", {"query": "avg:errors{*}"}, "result < 0.01", access=access(server))
        assert (found.phase, found.value) == ("Successful", "0.0032")
        assert server.last.query == {"query": "avg:errors{*}", "from": str(NOW - 300), "to": str(NOW)}
        assert server.last.headers["dd-api-key"] == "api-s3cret"
        assert server.last.headers["dd-application-key"] == "app-s3cret"


def test_v2_sends_queries_and_a_formula(measured: Measured) -> None:
    with serve(columns(1e21)) as server:
        found = measured("datadog", V2, access=access(server))
        assert found.value == "1000000000000000000000"
        attributes = server.last.json["data"]["attributes"]
        assert (attributes["from"], attributes["to"]) == ((NOW - 300) * 1000, NOW * 1000)
        (query,) = attributes["queries"]
        assert query == {"aggregator": "last", "data_source": "metrics", "name": "query", "query": "avg:errors{*}"}
        fields = {"apiVersion": "v2", "queries": {"a": "x", "b": "y"}, "formula": "a / b", "aggregator": "sum"}
        measured("datadog", {**fields, "interval": "1m"}, access=access(server))
        attributes = server.last.json["data"]["attributes"]
        assert attributes["from"] == (NOW - 60) * 1000
        assert attributes["formulas"] == [{"formula": "a / b"}]
        assert {query["aggregator"] for query in attributes["queries"]} == {"sum"}


@pytest.mark.parametrize(
    ("fields", "reply", "phase", "value", "message"),
    [
        ({"query": "q"}, Reply({"series": []}), "Successful", "[]", ""),
        ({"query": "q"}, Reply({}), "Successful", "null", ""),
        ({"query": "q"}, Reply(b"null"), "Successful", "null", ""),
        ({"query": "q"}, Reply({"series": [{}]}), "Successful", '[{"pointlist":null}]', ""),
        (V2, Reply({"data": None}), "Successful", '{"Columns":null}', ""),
        (V2, columns(), "Successful", "[]", ""),
        (V2, columns(None), "Successful", "[null]", ""),
        (V2, Reply({"data": {}}), "Successful", '{"Columns":null}', ""),
        (
            V2,
            Reply({"data": {"errors": "bad query"}}),
            "Error",
            "",
            "There were errors in your query: bad query",
        ),
        (
            V2,
            Reply(b"no", 403),
            "Error",
            "",
            "received authentication error response code: 403 no",
        ),
        ({"query": "q"}, Reply(b"api-s3cret", 500), "Error", "", "received non 2xx response code: 500 *****"),
        (
            V2,
            Reply(b"<"),
            "Error",
            "",
            "Could not parse JSON body: invalid character '<' looking for beginning of value",
        ),
        (
            {"query": "q"},
            Reply({"series": [{"pointlist": [[1]]}]}),
            "Error",
            "",
            "Datapoint does not have 2 values",
        ),
    ],
)
def test_an_answer_is_assessed(
    measured: Measured, fields: dict[str, Any], reply: Reply, phase: str, value: str, message: str
) -> None:
    with serve(reply) as server:
        found = measured("datadog", fields, "isNil(result)", access=access(server))
    assert (found.phase, found.value, found.message) == (phase, value, message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Must have either a query or queries. Please review the Analysis Template."),
        (
            {"query": "a", "aggregator": "sum"},
            "Aggregator is not supported in v1. Please review the Analysis Template.",
        ),
        ({"queries": {"a": "b"}}, "Query is empty. API Version v1 only supports using the query parameter in your"),
        ({**V2, "formula": "a"}, "Formula are only valid when queries are set. Please review the Analysis Template."),
        (
            {"apiVersion": "v2", "queries": {"a": "b", "c": "d"}},
            "When multiple queries are provided you must include a formula.",
        ),
        ({"query": "a", "requestTimeout": "0s"}, "Request timeout must be a positive duration (e.g. 30s)."),
        ({"query": "a", "requestTimeout": "x"}, 'Could not parse the request timeout: time: invalid duration "x".'),
    ],
)
def test_a_metric_is_refused_as_by_the_controller(measured: Measured, fields: dict[str, Any], message: str) -> None:
    found = measured("datadog", fields, access=Access(environment=KEYS))
    assert found.phase == "Error"
    assert found.message.startswith(message)


def test_a_secret_has_the_keys(measured: Measured) -> None:
    data = {"api-key": "A", "app-key": "B", "address": "C"}
    with serve(columns(1)) as server:
        environment = {"A": "from-a-secret", "B": "app", "C": server.url}
        secrets = {"mine": {"env": data}}
        fields = {**V2, "secretRef": {"name": "mine"}}
        measured("datadog", fields, access=Access(secrets=secrets, environment=environment))
        assert server.last.headers["dd-api-key"] == "from-a-secret"
    missing = "failed to find the credentials for datadog metrics provider"
    assert measured("datadog", fields, access=Access(environment=KEYS)).message == missing
    assert measured("datadog", V2).message == missing
    metric = metric_of({"provider": {"datadog": V2}})
    assert problems(metric, Access()) == (
        "the token is missing: set DD_API_KEY and DD_APP_KEY, or name analysis.secrets.datadog",
    )
    assert problems(metric, Access(environment=KEYS)) == ()
    assert has_past(metric)
