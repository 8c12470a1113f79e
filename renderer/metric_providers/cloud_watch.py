"""CloudWatch (``metricproviders/cloudwatch``): ``GetMetricData``, with the extra ``aws``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field

from renderer.http import Answer, Request
from renderer.metric_providers import aws
from renderer.metric_providers.access import Access
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded
from renderer.rollouts.analysis.expr.values import Floats, Maps, go_text
from renderer.rollouts.analysis.go_parse import parse_int
from renderer.rollouts.analysis.metrics import Metric, duration
from renderer.rollouts.analysis.run import Measurement

INTERVAL = "5m"
TIMEOUT_SECONDS = 30
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_CLOUDWATCH"
_TARGET = "GraniteServiceVersion20100801.GetMetricData"


class Message(Struct):
    """A remark of CloudWatch."""

    Code: str | None = None
    Value: str | None = None


class Result(Struct):
    """The values of a query, with the fields of AWS' own Go type."""

    Id: str | None = None
    Label: str | None = None
    StatusCode: str = ""
    Timestamps: list[float] = field(default_factory=list)
    Values: list[float] = field(default_factory=list)


class Reply(Struct):
    """An answer."""

    MetricDataResults: list[Result] = field(default_factory=list)
    Messages: list[Message] = field(default_factory=list)


def has_past(metric: Metric) -> bool:
    """Return True: a query has its beginning and its end."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    yield from aws.problems(access)


async def ask(question: Question) -> Answer:
    """Return CloudWatch's answer for the interval that ends at the asked moment."""
    fields = question.provider("cloudWatch")
    try:
        interval = duration(str(fields.get("interval") or INTERVAL))
    except ValueError as error:
        raise ProviderError(str(error)) from None
    body = {
        "StartTime": (question.at - interval).timestamp(),
        "EndTime": question.at.timestamp(),
        "MetricDataQueries": [_query(item) for item in fields.get("metricDataQueries") or ()],
    }
    for reason in aws.problems(question.access):
        raise ProviderError(reason)
    environment = question.access.environment
    url = environment.get(ENDPOINT_VARIABLE) or f"https://monitoring.{aws.region({})}.amazonaws.com/"
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": _TARGET}
    request = Request("POST", url, headers, json.dumps(body).encode(), TIMEOUT_SECONDS)
    return await question.send(await aws.signed(question, request, "monitoring", {}))


def _query(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a query in the names of the API."""
    names = {"id": "Id", "expression": "Expression", "label": "Label", "returnData": "ReturnData"}
    query: dict[str, Any] = {name: item[key] for key, name in names.items() if item.get(key) is not None}
    if item.get("period") is not None:
        query["Period"] = _number(item["period"])
    stat: Mapping[str, Any] | None = item.get("metricStat")
    if stat is not None:
        query["MetricStat"] = _stat(stat)
    return query


def _stat(stat: Mapping[str, Any]) -> dict[str, Any]:
    named: Mapping[str, Any] = stat.get("metric") or {}
    metric: dict[str, Any] = {"MetricName": str(named.get("metricName") or "")}
    if named.get("namespace") is not None:
        metric["Namespace"] = named["namespace"]
    if named.get("dimensions") is not None:
        metric["Dimensions"] = [{"Name": item.get("name"), "Value": item.get("value")} for item in named["dimensions"]]
    found = {"Metric": metric, "Period": _number(stat.get("period")), "Stat": str(stat.get("stat") or "")}
    return found | ({"Unit": stat["unit"]} if stat.get("unit") else {})


def _number(value: Any) -> int:
    """Return the number of an ``IntOrString``: 0 for a text that is none."""
    try:
        return value if isinstance(value, int) else parse_int(str(value))
    except ValueError:
        return 0


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: a list of maps with the fields of AWS' Go type, such as ``Values``."""
    if answer.status != 200:
        raise ProviderError(_refusal(answer))
    reply = decoded(answer.body, Reply)
    remarks = " ".join(f"{{Code:{item.Code or '<nil>'} Value:{item.Value or '<nil>'}}}" for item in reply.Messages)
    metadata = {"messages": f"[{remarks}]"} if remarks else {}
    value = go_text([Floats(item.Values) for item in reply.MetricDataResults])
    result = Maps(map(_fields, reply.MetricDataResults))
    return assessed(question.metric, result, value, metadata, keeps_value=True)


def _fields(result: Result) -> dict[str, Any]:
    return {
        "Id": result.Id,
        "Label": result.Label,
        "Messages": [],
        "StatusCode": result.StatusCode,
        "Timestamps": [datetime.fromtimestamp(time, UTC) for time in result.Timestamps],
        "Values": Floats(result.Values),
    }


def _refusal(answer: Answer) -> str:
    """Return the error in the words of AWS' SDK for Go."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    code = str(said.get("__type") or "").rpartition("#")[2] or "UnknownError"
    request = answer.headers.get("x-amzn-requestid", "")
    message = said.get("message") or said.get("Message") or "UnknownError"
    place = f"operation error CloudWatch: GetMetricData, https response error StatusCode: {answer.status}"
    return f"{place}, RequestID: {request}, api error {code}: {message}"
