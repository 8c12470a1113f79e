"""New Relic: what is asked, and the past of a query."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, problems
from renderer.metric_providers.new_relic import query_at
from renderer.rollouts.analysis.metrics import metric_of
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply

MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = int(MOMENT.timestamp()) * 1000


def rows(*found: Any) -> Reply:
    return Reply({"data": {"actor": {"account": {"nrql": {"results": list(found)}}}}})


def access(server: MetricServer) -> Access:
    secret = {"personal-api-key": "KEY", "account-id": "ACCOUNT", "base-url-nerdgraph": "URL"}
    environment = {"KEY": "nr-s3cret", "ACCOUNT": "42", "URL": f"{server.url}/graphql"}
    return Access(secrets={"newrelic": {"env": secret}}, environment=environment)


def test_one_row_is_a_map_and_several_are_a_list(measured: Measured) -> None:
    with MetricServer(rows({"rate": 0.5, "n": 1})) as server:
        found = measured("newRelic", {"query": "SELECT 1"}, "result.rate < 1", access=access(server))
        assert (found.phase, found.value) == ("Successful", '{"n":1,"rate":0.5}')
        assert (server.last.path, server.last.headers["api-key"]) == ("/graphql", "nr-s3cret")
        variables = server.last.json["variables"]
        query = f"SELECT 1 SINCE {NOW - 3600_000} UNTIL {NOW}"
        assert variables == {"accountId": 42, "query": query, "timeout": 5}
        server.replies[:] = [rows({"v": 1}, {"v": 2})]
        found = measured("newRelic", {"query": "SELECT 1", "timeout": 9}, "result[1].v == 2", access=access(server))
        assert (found.phase, found.value) == ("Successful", '[{"v":1},{"v":2}]')
        assert server.last.json["variables"]["timeout"] == 9


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (rows(), "no results returned from NRQL query"),
        (rows({}), "no results returned from NRQL query"),
        (Reply({"errors": [{"message": "NRQL Syntax Error nr-s3cret"}]}), "NRQL Syntax Error *****"),
        (Reply(b"", 404), "resource not found"),
        (Reply({"errors": [{"message": "no"}]}, 401), "401 response returned: Invalid credentials provided."),
        (Reply(b"no", 502), "502 response returned"),
        (Reply(b"no"), "invalid character 'n' looking for beginning of value"),
        (rows(1), "json: cannot unmarshal the results of the query"),
    ],
)
def test_a_bad_answer_is_an_error(measured: Measured, reply: Reply, message: str) -> None:
    with MetricServer(reply) as server:
        found = measured("newRelic", {"query": "SELECT 1"}, "true", access=access(server))
    assert found.phase == "Error"
    assert found.message.startswith(message)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 FROM A", f"SELECT 1 FROM A SINCE {NOW - 3600_000} UNTIL {NOW}"),
        ("FROM A SELECT 1 since 5 minutes ago", f"FROM A SELECT 1 SINCE {NOW - 300_000} UNTIL {NOW}"),
        (
            "FROM A SELECT 1 SINCE 2 days ago UNTIL 1 hour ago LIMIT 3",
            f"FROM A SELECT 1   LIMIT 3 SINCE {NOW - 172800_000} UNTIL {NOW - 3600_000}",
        ),
        ("SELECT 1 FROM A WHERE b = 'since 1 day ago'", None),
        ("SELECT 1 FROM A SINCE '2026-01-01'", None),
        ("SELECT 1 FROM A SINCE yesterday", None),
        ("SELECT 1 FROM A SINCE 1 month ago", None),
        ("SELECT 1 FROM A SINCE 1 hour ago COMPARE WITH 1 week ago", None),
        ("SELECT max(x) FROM (SELECT x FROM A SINCE 1 hour ago)", None),
        ("SELECT 1 FROM A SINCE 1 hour ago SINCE 2 hours ago", None),
        ("SELECT 1 FROM A TIMESERIES", None),
    ],
)
def test_only_a_certain_query_has_a_past(query: str, expected: str | None) -> None:
    if "'since" in query:
        expected = f"{query} SINCE {NOW - 3600_000} UNTIL {NOW}"
    assert query_at(query, AT) == expected
    assert has_past(metric_of({"provider": {"newRelic": {"query": query}}})) is (expected is not None)


def test_credentials_come_from_the_environment(measured: Measured) -> None:
    assert measured("newRelic", {"query": "q"}).message == "account ID or personal API key not found"
    environment = {"NEW_RELIC_API_KEY": "nr-s3cret", "NEW_RELIC_ACCOUNT_ID": "x"}
    found = measured("newRelic", {"query": "q"}, access=Access(environment=environment))
    assert found.message == 'could not parse account ID: strconv.Atoi: parsing "x": invalid syntax'
    found = measured("newRelic", {"query": "q"}, access=Access(environment={**environment, "NEW_RELIC_REGION": "mars"}))
    assert found.message == "unknown region: mars"
    metric = metric_of({"provider": {"newRelic": {"query": "q"}}})
    assert problems(metric, Access(environment=environment)) == ()
    (problem,) = problems(metric, Access())
    assert problem.startswith("the token is missing: set NEW_RELIC_API_KEY and NEW_RELIC_ACCOUNT_ID")
