"""InfluxDB, Graphite, Wavefront, SkyWalking and CloudWatch: what is asked of the past, and their answers."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, problems
from renderer.rollouts.analysis.metrics import metric_of
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply

NOW = int(AT.timestamp())
CSV = """#datatype,string,long,dateTime:RFC3339,{kind},string
#group,false,false,false,false,true
#default,_result,,,,
,result,table,_time,_value,host
,,0,2020-02-18T10:34:08.135814545Z,{one},a
,,0,2020-02-18T22:08:44.850214724Z,{two},b

"""


def influx(server: MetricServer) -> Access:
    environment = {"INFLUX_HOST": server.url, "INFLUX_TOKEN": "influx-s3cret", "INFLUX_ORG": "shop"}
    return Access(environment=environment)


def csv(kind: str, one: str, two: str) -> Reply:
    return Reply(
        CSV.format(kind=kind, one=one, two=two).replace("\n", "\r\n").encode(), headers={"Content-Type": "text/csv"}
    )


@pytest.mark.parametrize(
    ("reply", "success", "phase", "value", "message"),
    [
        (csv("double", "1.0", "6.6"), "result[0] == 1", "Successful", "[1 6.6]", ""),
        (csv("long", "10", ""), "result[0] == 10 && result[1] == nil", "Successful", "[10 <nil>]", ""),
        (csv("boolean", "true", "FALSE"), "result[0] && !result[1]", "Successful", "[true false]", ""),
        (csv("string", "a", "b"), 'result == ["a", "b"]', "Successful", "[a b]", ""),
        (csv("double", "one", "2"), "true", "Error", "", "no results returned from flux query"),
        (csv("strange", "1", "2"), "true", "Error", "", "no results returned from flux query"),
        (Reply(b""), "true", "Error", "", "no results returned from flux query"),
        (Reply(b"<html>"), "true", "Error", "", "no results returned from flux query"),
        (
            Reply({"code": "unauthorized", "message": "influx-s3cret is wrong"}, 401),
            "true",
            "Error",
            "",
            "unauthorized: ***** is wrong",
        ),
        (Reply(b"{}", 400), "true", "Error", "", "Unexpected status code 400"),
        (
            Reply(b"busy", 503, {"Content-Type": "text/plain"}),
            "true",
            "Error",
            "",
            "503 Service Unavailable: busy",
        ),
    ],
)
def test_influxdb(measured: Measured, reply: Reply, success: str, phase: str, value: str, message: str) -> None:
    with MetricServer(reply, description="influxdb") as server:
        found = measured("influxdb", {"query": "from(bucket: 1)"}, success, access=influx(server))
        assert server.last.json["now"] == "2026-03-01T12:00:00Z"
        assert server.last.query == {"org": "shop"}
        assert server.last.headers["authorization"] == "Token influx-s3cret"
    assert (found.phase, found.value, found.message) == (phase, value, message)


def test_influxdb_without_credentials(measured: Measured) -> None:
    assert measured("influxdb", {"query": "q"}).message == "authToken, org, or address not found"
    (problem,) = problems(metric_of({"provider": {"influxdb": {"query": "q"}}}), Access())
    assert problem.startswith("the token is missing: set INFLUX_HOST, INFLUX_TOKEN, INFLUX_ORG")


def points(*values: Any) -> Reply:
    return Reply([{"target": "a", "datapoints": [[value, 1] for value in values]}])


@pytest.mark.parametrize(
    ("reply", "success", "phase", "value", "message"),
    [
        (points(1.5, None, "2"), "result[1] == 2", "Successful", "[1.500000,2.000000]", ""),
        (points(None), "len(result) == 0", "Successful", "[]", ""),
        (Reply([]), "true", "Error", "", "no values found"),
        (Reply([{"target": "a", "datapoints": []}]), "true", "Error", "", "no values found"),
        (Reply([{"datapoints": [[1]]}]), "true", "Error", "", "error unmarshaling data point: [1.0]"),
        (points("x"), "true", "Error", "", 'strconv.ParseFloat: parsing "x": invalid syntax'),
        (Reply(b"no such", 400), "true", "Error", "", "error response: no such"),
        (Reply(b"<"), "true", "Error", "", "invalid character '<' looking for beginning of value"),
    ],
)
def test_graphite(measured: Measured, reply: Reply, success: str, phase: str, value: str, message: str) -> None:
    with MetricServer(reply) as server:
        fields = {"address": f"{server.url}/g", "query": "target=sumSeries(a.b, c)\n&from=-5min"}
        found = measured("graphite", fields, success)
        assert server.last.path == "/g/render"
        assert server.last.query == {
            "target": "sumSeries(a.b,c)",
            "from": str(NOW - 300),
            "until": str(NOW),
            "format": "json",
        }
    assert (found.phase, found.value, found.message) == (phase, value, message)


@pytest.mark.parametrize(
    ("times", "sent"),
    [
        ("", {"from": str(NOW - 86400), "until": str(NOW)}),
        ("&from=-2h&until=-1hours", {"from": str(NOW - 7200), "until": str(NOW - 3600)}),
        ("&from=1700000000&until=now", {"from": "1700000000", "until": str(NOW)}),
        ("&from=yesterday", None),
        ("&from=-1mon", None),
        ("&from=00:00_20260101", None),
    ],
)
def test_graphite_has_a_past_where_the_times_are_understood(
    measured: Measured, times: str, sent: dict[str, str] | None
) -> None:
    query = f"target=a{times}"
    assert has_past(metric_of({"provider": {"graphite": {"query": query}}})) is (sent is not None)
    with MetricServer(points(1)) as server:
        measured("graphite", {"address": server.url, "query": query})
        asked = {name: text for name, text in server.last.query.items() if name in ("from", "until")}
        assert asked == (sent if sent is not None else {"from": times.removeprefix("&from=")})


def series(*points: list[float]) -> dict[str, Any]:
    return {"label": "a", "data": list(points)}


def test_wavefront(measured: Measured) -> None:
    reply = {"timeseries": [series([NOW - 60, 1.0], [NOW - 2, 0.994], [NOW + 9, 2])], "warnings": "slow"}
    with MetricServer(Reply(reply)) as server:
        access = Access(environment={"WAVEFRONT_TOKEN": "wf-s3cret"})
        found = measured("wavefront", {"address": server.url, "query": "ts(a)"}, "result < 1", access=access)
        assert (found.phase, found.value) == ("Successful", "0.99")
        assert found.metadata == {"warnings": "slow", "timestamps": str(NOW - 2), "drift": "-2"}
        assert server.last.path == "/api/v2/chart/api"
        asked = {"q": "ts(a)", "s": f"{NOW}000", "e": f"{NOW}000", "g": "s", "p": "1", "i": "true"}
        assert server.last.query == asked | dict.fromkeys(
            ("autoEvents", "includeObsoleteMetrics", "listmode", "strict"), "false"
        )
        assert server.last.headers["authorization"] == "Bearer wf-s3cret"
        server.replies[:] = [Reply({"timeseries": [series([NOW, 1]), series([NOW, 2])]})]
        found = measured("wavefront", {"address": server.url, "query": "q"}, "result[1] == 2", access=access)
        assert (found.phase, found.value) == ("Successful", "[1.00,2.00]")
        server.replies[:] = [Reply({})]
        found = measured("wavefront", {"address": server.url, "query": "q"}, access=access)
        assert (found.phase, found.message) == ("Error", "No TimeSeries found in response from Wavefront")
        server.replies[:] = [Reply(b"wf-s3cret", 401)]
        found = measured("wavefront", {"address": server.url, "query": "q"}, access=access)
        assert found.message == "server returned 401 Unauthorized\n*****\n"
    found = measured("wavefront", {"address": "https://x", "query": "q"})
    assert found.message == "API token not found"


def test_skywalking(measured: Measured) -> None:
    with MetricServer(Reply({"data": {"service_apdex": {"values": [{"value": 9900}]}}})) as server:
        fields = {"address": server.url, "query": "query q($duration: Duration!)", "interval": "3m"}
        found = measured("skywalking", fields, "all(result.service_apdex.values, {#.value > 9800})")
        assert (found.phase, found.value) == ("Successful", '{"service_apdex":{"values":[{"value":9900}]}}')
        assert server.last.path == "/graphql"
        duration = {"start": "2026-03-01 1157", "end": "2026-03-01 1200", "step": "MINUTE"}
        assert server.last.json["variables"] == {"duration": duration}
        for reply, message in (
            (Reply({"errors": [{"message": "bad"}]}), "graphql: bad"),
            (Reply({"data": None}), "no results returned from SkyWalking query"),
            (Reply(b"["), "decoding response: unexpected end of JSON input"),
        ):
            server.replies[:] = [reply]
            found = measured("skywalking", fields)
            assert (found.phase, found.message) == ("Error", message)


QUERIES = [
    {"id": "rate", "expression": "errors / requests"},
    {
        "id": "errors",
        "metricStat": {
            "metric": {
                "namespace": "app",
                "metricName": "errors",
                "dimensions": [{"name": "service", "value": "web"}],
            },
            "period": "300",
            "stat": "Sum",
            "unit": "Count",
        },
        "returnData": False,
    },
]


def test_cloud_watch_sends_what_awss_own_description_has(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.session import Session
    from botocore.validate import ParamValidator

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA123")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-s3cret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    result = {"Id": "rate", "Label": "rate", "StatusCode": "Complete", "Timestamps": [1.0, 2.0], "Values": [0.5, 2]}
    with MetricServer(Reply({"MetricDataResults": [result], "Messages": [{"Code": "A", "Value": "b"}]})) as server:
        access = Access(environment={"AWS_ENDPOINT_URL_CLOUDWATCH": server.url})
        fields = {"interval": "30m", "metricDataQueries": QUERIES}
        found = measured("cloudWatch", fields, "all(result[0].Values, # < 3)", access=access)
        assert (found.phase, found.value) == ("Successful", "[[0.5 2]]")
        assert found.metadata == {"messages": "[{Code:A Value:b}]"}
        assert server.last.headers["x-amz-target"] == "GraniteServiceVersion20100801.GetMetricData"
        assert "/eu-west-1/monitoring/aws4_request" in server.last.headers["authorization"]
        body = server.last.json
        assert (body["StartTime"], body["EndTime"]) == (NOW - 1800, NOW)
        model = Session().get_service_model("cloudwatch").operation_model("GetMetricData")
        assert not ParamValidator().validate(body, model.input_shape).has_errors()
        assert body["MetricDataQueries"][1]["MetricStat"]["Period"] == 300
        server.replies[:] = [Reply({"__type": "x#AccessDenied", "message": "aws-s3cret"}, 403)]
        found = measured("cloudWatch", fields, access=access)
        assert found.phase == "Error"
        assert found.message.endswith("StatusCode: 403, RequestID: , api error AccessDenied: *****")


def test_all_of_them_have_a_past() -> None:
    for name in ("influxdb", "wavefront", "skywalking", "cloudWatch", "datadog", "prometheus"):
        assert has_past(metric_of({"provider": {name: {"query": "q"}}}))
    for name in ("job", "kayenta", "web"):
        assert not has_past(metric_of({"provider": {name: {"query": "q"}}}))
    assert not has_past(metric_of({"provider": {}}))
