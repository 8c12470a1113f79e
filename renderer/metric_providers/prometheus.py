"""Prometheus (``metricproviders/prometheus``), with the messages of ``client_golang`` v1.23.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec import UNSET, Struct

from renderer.http import Answer, Request
from renderer.metric_providers import aws
from renderer.metric_providers.access import Access, unreachable
from renderer.metric_providers.authentication import bearer, headers_of, own_headers
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded, decoded_as, plain_float
from renderer.rollouts.analysis.evaluate import evaluate_time
from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import Floats
from renderer.rollouts.analysis.go_parse import parse_duration, parse_float
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

ADDRESS_VARIABLE = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS"
"""The controller's variable for the address of metrics without one."""

TIMEOUT_SECONDS = 30
_NO_GET = (405, 501)
_NO_DATA = "Skip: do not know how to skip: 0, error found in #0 byte of ...||..., bigger context ...||..."
"""The controller's message for an answer without data."""
_WITH_ERROR = (400, 422)
"""The statuses whose body has the error; ``client_golang`` reads it for no other."""


class Series(Struct):
    """A series of a vector (``value``) or a matrix (``values``); one of native histograms has neither."""

    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class Data(Struct):
    """The result of a query."""

    resultType: str = ""  # noqa: N815
    result: Any = None


class Reply(Struct):
    """The JSON of Prometheus' HTTP API."""

    status: str = ""
    data: Any = UNSET
    errorType: str = ""  # noqa: N815
    error: str = ""
    warnings: list[str] | None = None


def has_past(metric: Metric) -> bool:
    """Return True: a query has a time, and the times of a range query are relative to it."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    fields: Mapping[str, Any] = metric.provider.get("prometheus") or {}
    address = str(fields.get("address") or access.environment.get(ADDRESS_VARIABLE) or "")
    if not address:
        yield f"prometheus address is not configured: set it in the metric, or the variable {ADDRESS_VARIABLE}"
    yield from filter(None, [unreachable(address, access)])
    authentication: Mapping[str, Any] = fields.get("authentication") or {}
    token_url = str((authentication.get("oauth2") or {}).get("tokenUrl") or "")
    if token_url:
        yield from filter(None, [unreachable(token_url, access)])
    if _is_signed(address, authentication):
        yield from aws.problems(access)


async def ask(question: Question) -> Answer:
    """Return Prometheus' answer."""
    fields = question.provider("prometheus")
    address = _address(fields, question.access)
    timeout = fields.get("timeout")
    if timeout is not None and timeout < 0:
        raise ProviderError("prometheus timeout should not be negative")
    seconds = TIMEOUT_SECONDS if timeout is None else float(timeout)
    is_verified = not fields.get("insecure")
    path, arguments = _query(question)
    authentication: Mapping[str, Any] = fields.get("authentication") or {}
    headers = headers_of(
        {"Content-Type": "application/x-www-form-urlencoded"},
        await bearer(question, authentication, timeout=seconds, is_verified=is_verified),
        own_headers(fields),
    )
    form = urlencode(sorted(arguments.items()))
    url = f"{address.rstrip('/')}/api/v1/{path}"
    post = Request("POST", url, headers, form.encode(), seconds, is_verified, has_context=True)
    if _is_signed(address, authentication):
        post = await aws.signed(question, post, "aps", authentication["sigv4"])
    answer = await question.send(post)
    if answer.status in _NO_GET:
        get = Request("GET", f"{url}?{form}", headers, None, seconds, is_verified, has_context=True)
        return await question.send(get)
    return answer


def _address(fields: Mapping[str, Any], access: Access) -> str:
    address = str(fields.get("address") or access.environment.get(ADDRESS_VARIABLE) or "")
    if not address:
        raise ProviderError("prometheus address is not configured")
    parts = urlsplit(address)
    if not parts.scheme or not parts.netloc:
        raise ProviderError("prometheus address is not is url format")
    return address


def _is_signed(address: str, authentication: Mapping[str, Any]) -> bool:
    return "aps-workspaces" in address and any((authentication.get("sigv4") or {}).values())


def _query(question: Question) -> tuple[str, dict[str, str]]:
    """Return the path and the arguments of the query at the asked moment."""
    fields = question.provider("prometheus")
    query = str(fields.get("query") or "")
    times = fields.get("rangeQuery")
    if times is None:
        return "query", {"query": query, "time": _timestamp(question.at)}
    moments = {}
    for name in ("start", "end"):
        try:
            moments[name] = _timestamp(evaluate_time(str(times.get(name) or ""), question.at))
        except ExpressionError as error:
            raise ProviderError(f"failed to parse rangeQuery.{name} as time: {error}") from None
    try:
        step = parse_duration(str(times.get("step") or "")) / 1e9
    except ValueError as error:
        raise ProviderError(f"failed to parse rangeQuery.step as duration: {error}") from None
    return "query_range", {"query": query, **moments, "step": plain_float(step)}


def _timestamp(moment: datetime) -> str:
    return plain_float(moment.timestamp())


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: a scalar is a float, everything else a list of floats."""
    data, warnings = _data(answer)
    metadata = {"warnings": ", ".join(f'"{warning}"' for warning in warnings)} if warnings else {}
    if data.resultType == "scalar":
        value = _value(decoded_as(data.result, tuple[float, str])[1])
        return assessed(question.metric, value, plain_float(value), metadata)
    if data.resultType not in ("vector", "matrix"):
        raise ProviderError(f'unexpected value type "{data.resultType}"')
    series = decoded_as(data.result, list[Series])
    if data.resultType == "vector":
        # The value of a native histogram is 0.
        values = Floats(_value(item.value[1]) if item.value else 0.0 for item in series)
    else:
        values = Floats(_value(text) for item in series for _, text in item.values)
    return assessed(question.metric, values, f"[{','.join(map(plain_float, values))}]", metadata)


def _data(answer: Answer) -> tuple[Data, list[str]]:
    status = answer.status
    if not 200 <= status < 300 and status not in _WITH_ERROR:
        kinds = {4: f"client_error: client error: {status}", 5: f"server_error: server error: {status}"}
        raise ProviderError(kinds.get(status // 100, f"bad_response: bad response code {status}"))
    if status == 204 or answer.body.strip() == b"null":
        raise ProviderError(_NO_DATA)
    try:
        reply = decoded(answer.body, Reply)
    except ProviderError as error:
        raise ProviderError(f"bad_response: {error}") from None
    if reply.status == "error":
        raise ProviderError(f"{reply.errorType}: {reply.error}")
    if status in _WITH_ERROR and reply.status == "success":
        raise ProviderError("bad_response: inconsistent body for response code")
    if reply.data is UNSET:
        raise ProviderError(_NO_DATA)
    return decoded_as(reply.data or {}, Data), reply.warnings or []


def _value(text: str) -> float:
    try:
        return parse_float(text)
    except ValueError as error:
        raise ProviderError(str(error)) from None
