"""New Relic (``metricproviders/newrelic``), with the messages of ``newrelic-client-go`` v2.81.0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from renderer.http import Answer, Request
from renderer.metric_providers.access import Access, missing_token
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, assessed, decoded_any
from renderer.metric_providers.secrets import provider_secret, token
from renderer.rollouts.analysis.expr.values import Maps, json_text
from renderer.rollouts.analysis.go_parse import parse_int
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

SECRET = "newrelic"
REGIONS = {"us": "https://api.newrelic.com/graphql", "eu": "https://api.eu.newrelic.com/graphql"}
_SHOWN = ("account-id", "region", "base-url-nerdgraph")
QUERY_TIMEOUT_SECONDS = 5
TIMEOUT_SECONDS = 30
"""The timeout of the request; that of the query is sent to New Relic."""

_INVALID = "Invalid credentials provided. Missing API key or an invalid API key was provided."
_GRAPHQL = """query ($query: Nrql!, $accountId: Int!, $timeout: Seconds!)
{
  actor {
    account(id: $accountId) {
      nrql(query: $query, timeout: $timeout) {
        results
      }
    }
  }
}
"""

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|//[^\n]*|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CLAUSE = re.compile(r"\b(SINCE|UNTIL)\b", re.IGNORECASE)
_RELATIVE = re.compile(
    r"\b(?P<clause>SINCE|UNTIL)\s+(?:(?P<number>[0-9]+)\s+(?P<unit>second|minute|hour|day|week)s?\s+AGO|(?P<now>NOW))\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"\b(COMPARE|TIMEZONE|SHOW|EXTRAPOLATE|SLIDE|TIMESERIES)\b|\(\s*(?:SELECT|FROM)\b", re.IGNORECASE)
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400}
_DEFAULT_SINCE = timedelta(hours=1)


def query_at(query: str, at: datetime) -> str | None:
    """Return an NRQL query whose times are those that it has at a moment; None if that is not certain.

    It is for a query of one SELECT with at most one SINCE and UNTIL, each relative to now.
    """
    # What is quoted keeps its place, so that the positions stay.
    bare = _QUOTED.sub(lambda match: "q" * len(match[0]), query)
    found = list(_RELATIVE.finditer(bare))
    names = [match["clause"].upper() for match in found]
    if _UNKNOWN.search(bare) or len(found) != len(_CLAUSE.findall(bare)) or len(set(names)) != len(names):
        return None
    moments = {"SINCE": at - _DEFAULT_SINCE, "UNTIL": at}
    for match in found:
        ago = 0 if match["now"] else int(match["number"]) * _UNITS[match["unit"].lower()]
        moments[match["clause"].upper()] = at - timedelta(seconds=ago)
    kept, end = [], 0
    for match in found:
        kept.append(query[end : match.start()])
        end = match.end()
    rest = "".join((*kept, query[end:])).strip()
    since, until = (round(moments[name].timestamp() * 1000) for name in ("SINCE", "UNTIL"))
    return f"{rest} SINCE {since} UNTIL {until}"


def has_past(metric: Metric) -> bool:
    """Return whether the times of the query are certain to be relative to now."""
    query = str((metric.provider.get("newRelic") or {}).get("query") or "")
    return query_at(query, datetime.fromtimestamp(0).astimezone() + timedelta(days=365)) is not None


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    profile = str((metric.provider.get("newRelic") or {}).get("profile") or "")
    yield from missing_token(profile, SECRET, ("NEW_RELIC_API_KEY", "NEW_RELIC_ACCOUNT_ID"), access)


async def ask(question: Question) -> Answer:
    """Return New Relic's answer."""
    fields = question.provider("newRelic")
    url, key, account = await _credentials(question, str(fields.get("profile") or ""))
    timeout = fields.get("timeout")
    timeout = QUERY_TIMEOUT_SECONDS if timeout is None else int(timeout)
    if timeout < 0:
        raise ProviderError("timeout value needs to be a positive value")
    query = str(fields.get("query") or "")
    variables = {"accountId": account, "query": query_at(query, question.at) or query, "timeout": timeout}
    body = json.dumps({"query": _GRAPHQL, "variables": variables}).encode()
    headers = {"Content-Type": "application/json", "Api-Key": key}
    return await question.send(Request("POST", url, headers, body, TIMEOUT_SECONDS))


async def _credentials(question: Question, profile: str) -> tuple[str, str, int]:
    """Return the URL of the API, the key and the account: of the Secret, or of the environment."""
    secret = await provider_secret(question, profile or SECRET, _SHOWN)
    if secret is not None:
        key, account, region, url = (secret.get(name, "").strip() for name in ("personal-api-key", *_SHOWN))
    elif profile:
        raise ProviderError(f'secrets "{profile}" not found')
    else:
        environment = question.access.environment
        key, url = token(question, "NEW_RELIC_API_KEY"), ""
        account, region = environment.get("NEW_RELIC_ACCOUNT_ID", ""), environment.get("NEW_RELIC_REGION", "")
    if not key or not account:
        raise ProviderError("account ID or personal API key not found")
    region = region.lower() or "us"
    if region not in REGIONS:
        raise ProviderError(f"unknown region: {region}")
    try:
        return url or REGIONS[region], key, parse_int(account)
    except ValueError as error:
        raise ProviderError(f"could not parse account ID: {error}".replace("ParseInt", "Atoi")) from None


def measurement(question: Question, answer: Answer) -> Measurement:
    """Return the measurement of an answer: one row is a map, several are a list of maps."""
    rows = _rows(answer)
    if not rows or rows == [{}]:
        raise ProviderError("no results returned from NRQL query")
    result = rows[0] if len(rows) == 1 else Maps(rows)
    return assessed(question.metric, result, json_text(result))


def _rows(answer: Answer) -> list[dict[str, Any]]:
    if answer.status == 404:
        raise ProviderError("resource not found")
    is_successful = 200 <= answer.status < 300
    try:
        value = decoded_any(answer.text)
    except ProviderError:
        if is_successful:
            raise
        value = None
    errors = _errors(value)
    if not is_successful:
        if errors and (answer.status == 401 or any(_code(error) == "BAD_API_KEY" for error in errors)):
            raise ProviderError(f"401 response returned: {_INVALID}")
        said = ", ".join(filter(None, (str(error.get("message") or "") for error in errors)))
        raise ProviderError(f"{answer.status} response returned" + (f": {said}" if said else ""))
    said = ", ".join(filter(None, (str(error.get("message") or "") for error in errors)))
    if said and not any(str(error.get("message")).startswith("This field is deprecated!") for error in errors):
        raise ProviderError(said)
    for name in ("data", "actor", "account", "nrql", "results"):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ProviderError("json: cannot unmarshal the results of the query")
    return value


def _errors(value: Any) -> list[Mapping[str, Any]]:
    errors = value.get("errors") if isinstance(value, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _code(error: Mapping[str, Any]) -> Any:
    extensions = error.get("extensions")
    return extensions.get("error_code") if isinstance(extensions, dict) else None
