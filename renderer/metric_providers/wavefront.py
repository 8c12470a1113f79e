"""Wavefront (``metricproviders/wavefront``)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from renderer.http import Answer, Request
from renderer.metric_providers.access import Access, missing_token
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded
from renderer.metric_providers.secrets import provider_secret, token
from renderer.rollouts.analysis.expr.values import Floats, truncate
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

SECRET = "wavefront-api-tokens"
"""The Secret whose keys are addresses, and whose values are their tokens."""

VARIABLE = "WAVEFRONT_TOKEN"
TIMEOUT_SECONDS = 30
"""The controller has no timeout here."""


class Series(Struct):
    """A series; a point is a time in seconds and a value."""

    data: list[tuple[float, float]] = []


class Reply(Struct):
    """An answer."""

    timeseries: list[Series] | None = None
    warnings: str | None = None


def has_past(metric: Metric) -> bool:
    """Return True: a query has its time."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    yield from missing_token("", SECRET, (VARIABLE,), access)


async def ask(question: Question) -> Answer:
    """Return Wavefront's answer: of each series the point next to the asked moment."""
    fields = question.provider("wavefront")
    address = str(fields.get("address") or "")
    secret = await provider_secret(question, SECRET)
    key = token(question, VARIABLE) if secret is None else secret.get(address, "").strip()
    if not key or not address:
        raise ProviderError("API token not found")
    moment = str(int(question.at.timestamp()) * 1000)
    arguments = {
        "autoEvents": "false",
        "e": moment,
        "g": "s",
        "i": "true",
        "includeObsoleteMetrics": "false",
        "listmode": "false",
        "p": "1",
        "q": str(fields.get("query") or ""),
        "s": moment,
        "strict": "false",
    }
    base = address if "://" in address else f"https://{address}"
    url = f"{base.rstrip('/')}/api/v2/chart/api?{urlencode(arguments)}"
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
    return await question.send(Request("GET", url, headers, None, TIMEOUT_SECONDS))


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: one series is a float, several are a list of floats."""
    if answer.status != 200:
        raise ProviderError(f"server returned {answer.status} {answer.reason}\n{answer.text}\n")
    reply = decoded(answer.body, Reply)
    if not reply.timeseries:
        raise ProviderError("No TimeSeries found in response from Wavefront")
    found = [_nearest(series, int(question.at.timestamp())) for series in reply.timeseries]
    values, times, drifts = zip(*found, strict=True)
    texts = [f"{value:.2f}" for value in values]
    metadata = {"warnings": reply.warnings} if reply.warnings else {}
    metadata |= {"timestamps": _listed(list(map(str, times))), "drift": _listed(list(map(str, drifts)))}
    result: Any = values[0] if len(values) == 1 else Floats(values)
    return assessed(question.metric, result, _listed(texts), metadata)


def _nearest(series: Series, at: int) -> tuple[float, int, int]:
    """Return value, time and drift of the point next to a moment; 0 and an infinite drift without points."""
    value, time, delta = 0.0, 0.0, math.inf
    for point_time, point_value in series.data:
        if abs(point_time - at) < abs(delta):
            value, time, delta = point_value, point_time, point_time - at
    return value, truncate(time), truncate(delta)


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
