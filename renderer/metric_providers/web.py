"""A web page (``metricproviders/webmetric``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.http import Answer, Request
from renderer.kubernetes.go_json import go_json
from renderer.metric_providers.access import Access, unreachable
from renderer.metric_providers.authentication import bearer, headers_of, own_headers
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement
from renderer.rollouts.analysis.web import web_measurement

TIMEOUT_SECONDS = 10


def has_past(metric: Metric) -> bool:
    """Return False: nobody knows how a page takes a time."""
    return False


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    fields: Mapping[str, Any] = metric.provider.get("web") or {}
    oauth2 = (fields.get("authentication") or {}).get("oauth2") or {}
    for url in (fields.get("url"), oauth2.get("tokenUrl")):
        yield from filter(None, [unreachable(str(url or ""), access)])


async def ask(question: Question) -> Answer:
    """Return the page."""
    fields = question.provider("web")
    method = str(fields.get("method") or "GET")
    text, data = str(fields.get("body") or ""), fields.get("jsonBody")
    if text and data is not None:
        raise ProviderError("use either Body or JSONBody; both cannot exists for WebMetric payload")
    if (text or data is not None) and method == "GET":
        raise ProviderError("Body/JSONBody can only be used with POST or PUT WebMetric Method types")
    seconds = int(fields.get("timeoutSeconds") or 0)
    timeout = float(seconds) if seconds > 0 else float(TIMEOUT_SECONDS)
    is_verified = not fields.get("insecure")
    authentication: Mapping[str, Any] = fields.get("authentication") or {}
    headers = headers_of(
        own_headers(fields),
        {"Content-Type": "application/json"} if data is not None else {},
        await bearer(question, authentication, timeout=timeout, is_verified=is_verified),
    )
    body = text.encode() if text else go_json(data).encode() if data is not None else None
    request = Request(method, str(fields.get("url") or ""), headers, body, timeout, is_verified)
    return await question.send(request, "Received no bytes in response: ")


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of a page."""
    return web_measurement(question.metric, answer.status, answer.text)
