"""SkyWalking (``metricproviders/skywalking``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from renderer.http import Answer, Request
from renderer.metric_providers.access import Access, unreachable
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded_any
from renderer.rollouts.analysis.expr.values import json_text
from renderer.rollouts.analysis.metrics import Metric, duration
from renderer.rollouts.analysis.run import Measurement

TIMEOUT_SECONDS = 30
INTERVAL = "5m"


def has_past(metric: Metric) -> bool:
    """Return True: a query has its beginning and its end, in whole minutes."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    address = str((metric.provider.get("skywalking") or {}).get("address") or "")
    yield from filter(None, [unreachable(address, access)])


async def ask(question: Question) -> Answer:
    """Return SkyWalking's answer for the interval that ends at the asked moment."""
    fields = question.provider("skywalking")
    try:
        interval = duration(str(fields.get("interval") or INTERVAL))
    except ValueError as error:
        raise ProviderError(str(error)) from None
    asked = {"start": _minute(question.at, interval), "end": _minute(question.at, timedelta()), "step": "MINUTE"}
    body = json.dumps({"query": str(fields.get("query") or ""), "variables": {"duration": asked}}).encode()
    kind = "application/json; charset=utf-8"
    url = f"{fields.get('address') or ''}/graphql"
    headers = {"Content-Type": kind, "Accept": kind}
    return await question.send(Request("POST", url, headers, body, TIMEOUT_SECONDS, has_context=True))


def _minute(at: datetime, ago: timedelta) -> str:
    """Return a minute as SkyWalking takes it: in UTC, which is the zone of the controller's image."""
    return (at - ago).astimezone(UTC).strftime("%Y-%m-%d %H%M")


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: its ``data``."""
    try:
        reply = decoded_any(answer.text)
    except ProviderError as error:
        raise ProviderError(f"decoding response: {error}") from None
    if not isinstance(reply, dict):
        raise ProviderError("decoding response: json: cannot unmarshal into Go value of type graphql.graphResponse")
    errors = reply.get("errors")
    if isinstance(errors, list) and errors:
        message = errors[0].get("message") if isinstance(errors[0], dict) else errors[0]
        raise ProviderError(f"graphql: {message}")
    if reply.get("data") is None:
        raise ProviderError("no results returned from SkyWalking query")
    return assessed(question.metric, reply["data"], json_text(reply["data"]))
