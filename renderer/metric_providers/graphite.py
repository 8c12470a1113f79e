"""Graphite (``metricproviders/graphite``)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct

from renderer.http import Answer, Request
from renderer.metric_providers.access import Access, unreachable
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded
from renderer.rollouts.analysis.expr.values import Floats
from renderer.rollouts.analysis.go_parse import parse_float
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

TIMEOUT_SECONDS = 10
_DEFAULT_FROM = "-24h"
_RELATIVE = re.compile(r"-([0-9]+)(s|sec|second|min|minute|h|hour|d|day|w|week)s?")
_UNITS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_UNITS |= {"w": 7 * 86400, "week": 7 * 86400}


class Target(Struct):
    """A series of an answer; a point is a value, which may be null or a text, and a time."""

    datapoints: list[list[float | str | None]] = []


def has_past(metric: Metric) -> bool:
    """Return whether the query's times are absolute, or relative in a way that is understood here."""
    arguments = _arguments(str((metric.provider.get("graphite") or {}).get("query") or ""))
    return all(_moment(text, 0) is not None for text in _times(arguments).values())


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    address = str((metric.provider.get("graphite") or {}).get("address") or "")
    yield from filter(None, [unreachable(address, access)])


async def ask(question: Question) -> Answer:
    """Return Graphite's answer; times relative to now are relative to the asked moment."""
    fields = question.provider("graphite")
    address = str(fields.get("address") or "")
    parts = urlsplit(address)
    if not address:
        raise ProviderError(f"Graphite address {address} is not a valid URL")
    arguments = _at(_arguments(str(fields.get("query") or "")), question.at)
    query = urlencode(sorted([*arguments, ("format", "json")], key=itemgetter(0)))
    path = posixpath.join(parts.path or "/", "render")
    url = urlunsplit((parts.scheme, parts.netloc, path, query, ""))
    return await question.send(Request("GET", url, {}, None, TIMEOUT_SECONDS))


def _arguments(query: str) -> list[tuple[str, str]]:
    bare = re.sub(r"\s+", "", query)
    return [item for item in parse_qsl(bare, keep_blank_values=True) if item[0] != "format"]


def _times(arguments: Sequence[tuple[str, str]]) -> dict[str, str]:
    times = {"from": _DEFAULT_FROM, "until": "now"}
    return times | {name: text for name, text in arguments if name in times and text}


def _at(arguments: Sequence[tuple[str, str]], at: datetime) -> list[tuple[str, str]]:
    times = _times(arguments)
    moments = {name: _moment(text, int(at.timestamp())) for name, text in times.items()}
    if None in moments.values():
        return list(arguments)
    others = [item for item in arguments if item[0] not in times]
    return [*others, *((name, str(moment)) for name, moment in moments.items())]


def _moment(text: str, now: int) -> int | None:
    """Return the Unix time of ``-5min``, ``now`` or a Unix time; None for another form."""
    if text == "now":
        return now
    if re.fullmatch(r"[0-9]{9,}", text):
        return int(text)
    match = _RELATIVE.fullmatch(text)
    return now - int(match[1]) * _UNITS[match[2]] if match else None


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: the values of its first series."""
    if answer.status >= 400:
        raise ProviderError(f"error response: {answer.text}")
    targets = decoded(answer.body, list[Target]) if answer.body.strip() != b"null" else []
    points = targets[0].datapoints if targets else []
    if not points:
        raise ProviderError("no values found")
    values = Floats(value for value in map(_value, points) if value is not None)
    text = f"[{','.join(f'{value:f}' for value in values)}]"
    return assessed(question.metric, values, text, keeps_value=True)


def _value(point: Sequence[Any]) -> float | None:
    if len(point) != 2:
        raise ProviderError(f"error unmarshaling data point: {list(point)}")
    value: float | str | None = point[0]
    if not isinstance(value, str):
        return value
    try:
        return parse_float(value)
    except ValueError as error:
        raise ProviderError(str(error)) from None
