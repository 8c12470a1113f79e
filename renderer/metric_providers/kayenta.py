"""Kayenta (``metricproviders/kayenta``): it judges for a while, and is asked again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.http import Answer, Request
from renderer.kubernetes.times import format_time
from renderer.metric_providers.access import Access, unreachable
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.question import Question, decoded, decoded_any
from renderer.rollouts.analysis.evaluate import FAILED, INCONCLUSIVE, SUCCESSFUL
from renderer.rollouts.analysis.expr.values import go_text, truncate
from renderer.rollouts.analysis.metrics import Metric, duration
from renderer.rollouts.analysis.run import RUNNING, Measurement

TIMEOUT_SECONDS = 15
RESUME_DELAY = timedelta(seconds=15)


class Config(Struct):
    """A canary configuration."""

    id: str = ""
    name: str = ""


def has_past(metric: Metric) -> bool:
    """Return False: a judgement begins when it is asked for."""
    return False


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    address = str((metric.provider.get("kayenta") or {}).get("address") or "")
    yield from filter(None, [unreachable(address, access)])


async def ask(question: Question) -> Answer | None:
    """Return the answer to a new judgement, or to the question for one that runs; None where it is terminated."""
    fields = question.provider("kayenta")
    address = str(fields.get("address") or "")
    if question.incomplete is None:
        return await _begin(question, fields, address)
    if question.terminates:
        # The controller leaves such a judgement as it is.
        return None
    identity = question.incomplete.metadata.get("canaryExecutionId", "")
    return await _successful(question, Request("GET", f"{address}/canary/{identity}", timeout=TIMEOUT_SECONDS))


async def _begin(question: Question, fields: Mapping[str, Any], address: str) -> Answer:
    names = ("application", "metricsAccountName", "configurationAccountName", "storageAccountName")
    application, metrics, configuration, storage = (str(fields.get(name) or "") for name in names)
    # The controller looks the configuration up with the name of the storage account.
    url = f"{address}/canaryConfig?application={application}&configurationAccountName={storage}"
    answer = await question.send(Request("GET", url, timeout=TIMEOUT_SECONDS))
    if answer.status != 200:
        raise ProviderError(f"Invalid Response: HTTP {answer.status}")
    wanted = str(fields.get("canaryConfigName") or "")
    identity = next((item.id for item in decoded(answer.body, list[Config]) if item.name == wanted), None)
    if identity is None:
        raise ProviderError("Canary config not found")
    accounts = f"metricsAccountName={metrics}&configurationAccountName={configuration}&storageAccountName={storage}"
    threshold = {name: int((fields.get("threshold") or {}).get(name) or 0) for name in ("pass", "marginal")}
    scopes = {str(scope.get("name")): _scope(question, scope, fields) for scope in fields.get("scopes") or ()}
    body = json.dumps({"scopes": scopes, "thresholds": threshold}).encode()
    url = f"{address}/canary/{identity}?application={application}&{accounts}"
    return await _successful(
        question, Request("POST", url, {"Content-Type": "application/json"}, body, TIMEOUT_SECONDS)
    )


async def _successful(question: Question, request: Request) -> Answer:
    answer = await question.send(request)
    if answer.status != 200:
        raise ProviderError("Invalid Response")
    return answer


def _scope(question: Question, scope: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    sides = [dict(scope.get(name) or {}) for name in ("controlScope", "experimentScope")]
    for name in ("start", "end"):
        if bool(sides[0].get(name)) != bool(sides[1].get(name)):
            raise ProviderError(f"controlScope.{name} and experimentScope.{name} must both be set or be empty")
        if not sides[0].get(name):
            moment = _start(question, bool(fields.get("lookback"))) if name == "start" else format_time(question.at)
            for side in sides:
                side[name] = moment
    control, experiment = map(_side, sides)
    return {"controlScope": control, "experimentScope": experiment}


def _side(side: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = {"scope": str(side.get("scope") or ""), "location": str(side.get("region") or "")}
    return {**texts, "step": int(side.get("step") or 0), "start": side["start"], "end": side["end"]}


def _start(question: Question, lookback: bool) -> str:
    """Return the start of the judged time: that of the run, or one interval ago."""
    if lookback:
        return format_time(question.run.status.started_at or question.at)
    try:
        return format_time(question.at - duration(question.metric.interval))
    except ValueError as error:
        raise ProviderError(f'Invalid duration "{question.metric.interval}": {error}') from None


def measurement(question: Question, answer: Answer | None) -> Measurement:
    """Return the measurement of an answer: in flight until Kayenta has judged."""
    if answer is None:
        assert question.incomplete is not None
        return question.incomplete
    data = decoded_any(answer.text)
    if not isinstance(data, dict):
        raise ProviderError("json: cannot unmarshal into Go value of type map[string]interface {}")
    if question.incomplete is None:
        metadata = {"canaryExecutionId": go_text(data.get("canaryExecutionId"))}
        return Measurement(RUNNING, metadata=metadata, resume_at=question.at + RESUME_DELAY)
    complete = data.get("complete")
    if not isinstance(complete, bool):
        raise ProviderError("Missing Complete Status")
    if not complete:
        return replace(question.incomplete, resume_at=question.at + RESUME_DELAY)
    value: Any = data
    for name in ("result", "judgeResult", "score", "score"):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, float):
        raise ProviderError("Missing Score")
    score, threshold = truncate(value), question.provider("kayenta").get("threshold") or {}
    phase = FAILED
    if score >= int(threshold.get("pass") or 0):
        phase = SUCCESSFUL
    elif score >= int(threshold.get("marginal") or 0):
        phase = INCONCLUSIVE
    return replace(question.incomplete, phase=phase, value=str(score))
