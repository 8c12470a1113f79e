"""InfluxDB 2 (``metricproviders/influxdb``): Flux, with the messages of ``influxdb-client-go`` v2.14.0."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from renderer.http import Answer, Request
from renderer.kubernetes.times import format_time
from renderer.metric_providers.access import Access, missing_token, unreachable
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed
from renderer.metric_providers.secrets import provider_secret, token
from renderer.rollouts.analysis.expr.values import Int64, go_text
from renderer.rollouts.analysis.go_parse import parse_float, parse_int
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

SECRET = "influxdb"
TIMEOUT_SECONDS = 30
VARIABLES = ("INFLUX_HOST", "INFLUX_TOKEN", "INFLUX_ORG")
"""The variables of the program ``influx``."""


def has_past(metric: Metric) -> bool:
    """Return True: a request has the time that is ``now()`` in its query."""
    return True


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    profile = str((metric.provider.get("influxdb") or {}).get("profile") or "")
    yield from missing_token(profile, SECRET, VARIABLES, access)
    if not profile and SECRET not in access.secrets:
        yield from filter(None, [unreachable(access.environment.get("INFLUX_HOST", ""), access)])


async def ask(question: Question) -> Answer:
    """Return InfluxDB's answer; ``now()`` is the asked moment."""
    fields = question.provider("influxdb")
    profile = str(fields.get("profile") or "")
    secret = await provider_secret(question, profile or SECRET, ("address", "org"))
    if secret is not None:
        address, key, organization = (secret.get(name, "").strip() for name in ("address", "authToken", "org"))
    elif profile:
        raise ProviderError(f'secrets "{profile}" not found')
    else:
        environment = question.access.environment
        address, organization = environment.get("INFLUX_HOST", ""), environment.get("INFLUX_ORG", "")
        key = token(question, "INFLUX_TOKEN")
    if not (address and key and organization):
        raise ProviderError("authToken, org, or address not found")
    dialect = {"annotations": ["datatype", "group", "default"], "delimiter": ",", "header": True}
    query = {"query": str(fields.get("query") or ""), "type": "flux", "now": format_time(question.at)}
    headers = {"Authorization": f"Token {key}", "Content-Type": "application/json"}
    url = f"{address.rstrip('/')}/api/v2/query?{urlencode({'org': organization})}"
    body = json.dumps({"dialect": dialect, **query}).encode()
    return await question.send(Request("POST", url, headers, body, TIMEOUT_SECONDS, has_context=True))


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: the column ``_value`` of all its rows."""
    if not 200 <= answer.status < 300:
        raise ProviderError(_refusal(answer))
    values = list(_values(answer.text))
    if not values:
        raise ProviderError("no results returned from flux query")
    return assessed(question.metric, values, go_text(values))


def _refusal(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/json":
        return f"{answer.status} {answer.reason}: {answer.text}"
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    code, message = (said.get("code"), said.get("message")) if isinstance(said, dict) else ("", "")
    if code and message:
        return f"{code}: {message}"
    return f"Unexpected status code {answer.status}"


def _values(text: str) -> Iterator[Any]:
    """Yield the values of an annotated CSV; as in the client, a faulty row ends them without an error."""
    types: Sequence[str] = ()
    defaults: Sequence[str] = ()
    names: Sequence[str] | None = None
    try:
        for row in csv.reader(io.StringIO(text)):
            if len(row) <= 1:
                continue
            if row[0].startswith("#"):
                types = row[1:] if row[0] == "#datatype" else types
                defaults = row[1:] if row[0] == "#default" else defaults
                names = None
            elif names is None:
                names = row[1:]
                if names[:1] == ["error"] or not types:
                    return
            elif len(row) - 1 != len(types):
                return
            elif "_value" in names:
                index = names.index("_value")
                found = row[1 + index] or (defaults[index] if index < len(defaults) else "")
                yield _typed(found, types[index])
    except (csv.Error, ValueError, binascii.Error):
        return


def _typed(text: str, kind: str) -> Any:
    if not text:
        return None
    match kind:
        case "boolean":
            return text.lower() != "false"
        case "double":
            return parse_float(text)
        case "long" | "unsignedLong":
            return Int64(parse_int(text))
        case "base64Binary":
            return base64.b64decode(text).decode(errors="replace")
        case "dateTime:RFC3339" | "dateTime:RFC3339Nano":
            return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00").astimezone(UTC)
        case "string":
            return text
    raise ValueError(kind)
