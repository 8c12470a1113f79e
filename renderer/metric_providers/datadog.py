"""Datadog (``metricproviders/datadog``): API v1 and v2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from renderer.http import Answer, Request
from renderer.metric_providers.access import Access, missing_token, unreachable
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded, plain_float
from renderer.metric_providers.secrets import provider_secret, token
from renderer.rollouts.analysis.expr.values import json_text
from renderer.rollouts.analysis.go_parse import parse_duration
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

SECRET = "datadog"
ADDRESS = "https://api.datadoghq.com"
INTERVAL, TIMEOUT = "5m", "10s"
_REVIEW = "Please review the Analysis Template."


class Line(Struct):
    """A series of an answer of API v1; a point is a time and a value, which may be null."""

    pointlist: list[list[float | None]] | None = None


class ReplyV1(Struct):
    """An answer of API v1."""

    series: list[Line] | None = None


class Column(Struct):
    """A column of an answer of API v2."""

    values: list[float | None] | None = None


class Attributes(Struct):
    """The columns of an answer of API v2."""

    columns: list[Column] | None = None


class DataV2(Struct):
    """The data of an answer of API v2."""

    attributes: Attributes | None = None
    errors: str | None = None


class ReplyV2(Struct):
    """An answer of API v2."""

    data: DataV2 | None = None


def has_past(metric: Metric) -> bool:
    """Return True: a query has its beginning and its end."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    name = str((_fields(metric).get("secretRef") or {}).get("name") or "")
    yield from missing_token(name, SECRET, ("DD_API_KEY", "DD_APP_KEY"), access)
    if access.environment.get("DD_ADDRESS"):
        yield from filter(None, [unreachable(access.environment["DD_ADDRESS"], access)])
    fault = _fault(_fields(metric))
    if fault:
        yield fault


def _fields(metric: Metric) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = metric.provider.get("datadog") or {}
    return fields


async def ask(question: Question) -> Answer:
    """Return Datadog's answer for the interval that ends at the asked moment."""
    fields = question.provider("datadog")
    address, api_key, app_key = await _credentials(question, fields)
    fault = _fault(fields)
    if fault:
        raise ProviderError(fault)
    try:
        interval = parse_duration(str(fields.get("interval") or INTERVAL)) // 10**9
        timeout = parse_duration(str(fields.get("requestTimeout") or TIMEOUT)) / 10**9
    except ValueError as error:
        raise ProviderError(str(error)) from None
    headers = {"Content-Type": "application/json", "DD-API-KEY": api_key, "DD-APPLICATION-KEY": app_key}
    now = int(question.at.timestamp())
    if _version(fields) == "v1":
        arguments = {"from": now - interval, "query": str(fields.get("query") or ""), "to": now}
        request = Request("GET", f"{address}/api/v1/query?{urlencode(arguments)}", headers, None, timeout)
    else:
        body = json.dumps(_body(fields, now, interval)).encode()
        request = Request("POST", f"{address}/api/v2/query/scalar", headers, body, timeout)
    return await question.send(request, "Received no bytes in response: ")


def _version(fields: Mapping[str, Any]) -> str:
    return str(fields.get("apiVersion") or "v1")


def _body(fields: Mapping[str, Any], now: int, interval: int) -> Mapping[str, Any]:
    queries: Mapping[str, str] = {"query": fields["query"]} if fields.get("query") else fields.get("queries") or {}
    aggregator = str(fields.get("aggregator") or "last")
    attributes = {
        "from": (now - interval) * 1000,
        "to": now * 1000,
        "queries": [
            {"aggregator": aggregator, "data_source": "metrics", "name": name, "query": query}
            for name, query in queries.items()
        ],
        "formulas": [{"formula": fields["formula"]}] if fields.get("formula") else [],
    }
    return {"data": {"attributes": attributes, "type": "scalar_request"}}


async def _credentials(question: Question, fields: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return address, API key and application key: of the named Secret, the environment or the Secret ``datadog``."""
    reference: Mapping[str, Any] = fields.get("secretRef") or {}
    name = str(reference.get("name") or "")
    if reference.get("namespaced") and not name:
        raise ProviderError("secret name is required for namespaced credentials")
    api_key, app_key = ("", "") if name else (token(question, "DD_API_KEY"), token(question, "DD_APP_KEY"))
    address = question.access.environment.get("DD_ADDRESS", "")
    site = question.access.environment.get("DD_SITE", "")
    if not address and site:
        address = f"https://api.{site}"
    if not (api_key and app_key):
        secret = await provider_secret(question, name or SECRET, ("address",)) or {}
        address, api_key, app_key = (secret.get(key, "").strip() for key in ("address", "api-key", "app-key"))
    if not (api_key and app_key):
        raise ProviderError("failed to find the credentials for datadog metrics provider")
    return address.rstrip("/") or ADDRESS, api_key, app_key


def _fault(fields: Mapping[str, Any]) -> str:
    """Return what the controller refuses of a metric."""
    query, queries, formula = fields.get("query"), fields.get("queries"), fields.get("formula")
    faults = (
        (not query and not queries, f"Must have either a query or queries. {_REVIEW}"),
        (query and queries, f"Cannot have both a query and queries. {_REVIEW}"),
        (
            _version(fields) == "v1" and not query,
            "Query is empty. API Version v1 only supports using the query parameter in your Analysis Template.",
        ),
        (formula and not queries, f"Formula are only valid when queries are set. {_REVIEW}"),
        (not formula and len(queries or ()) > 1, "When multiple queries are provided you must include a formula."),
        (_version(fields) == "v1" and fields.get("aggregator"), f"Aggregator is not supported in v1. {_REVIEW}"),
    )
    found = next((message for holds, message in faults if holds), "")
    return found or _timeout_fault(str(fields.get("requestTimeout") or TIMEOUT))


def _timeout_fault(timeout: str) -> str:
    try:
        if parse_duration(timeout) > 0:
            return ""
    except ValueError as error:
        return f"Could not parse the request timeout: {error}. {_REVIEW}"
    return f"Request timeout must be a positive duration (e.g. 30s). {_REVIEW}"


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: v1 its last point, v2 its first value; nil for one without values."""
    if answer.status in (401, 403):
        raise ProviderError(f"received authentication error response code: {answer.status} {answer.text}")
    if answer.status != 200:
        raise ProviderError(f"received non 2xx response code: {answer.status} {answer.text}")
    value, text = (_v1 if _version(question.provider("datadog")) == "v1" else _v2)(answer)
    return assessed(question.metric, value, text)


def _decoded(answer: Answer, kind: Any) -> Any:
    try:
        return decoded(answer.body, kind)
    except ProviderError as error:
        raise ProviderError(f"Could not parse JSON body: {error}") from None


def _v1(answer: Answer) -> tuple[float | None, str]:
    reply: ReplyV1 = _decoded(answer, ReplyV1 | None) or ReplyV1()
    if not reply.series or not reply.series[0].pointlist:
        return None, json_text([{"pointlist": line.pointlist} for line in reply.series]) if reply.series else (
            "null" if reply.series is None else "[]"
        )
    point = reply.series[0].pointlist[-1]
    if len(point) != 2:
        raise ProviderError("Datapoint does not have 2 values")
    # Go decodes null as 0.
    value = point[1] or 0.0
    return value, plain_float(value)


def _v2(answer: Answer) -> tuple[float | None, str]:
    reply: ReplyV2 = _decoded(answer, ReplyV2 | None) or ReplyV2()
    data = reply.data or DataV2()
    if data.errors:
        raise ProviderError(f"There were errors in your query: {data.errors}")
    columns = data.attributes.columns if data.attributes is not None else None
    if columns and columns[0].values and columns[0].values[0] is not None:
        return columns[0].values[0], plain_float(columns[0].values[0])
    if columns and len(columns) == 1:
        return None, json_text(columns[0].values)
    listed = None if columns is None else [{"Values": column.values} for column in columns]
    return None, json_text({"Columns": listed})
