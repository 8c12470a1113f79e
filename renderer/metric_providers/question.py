"""The question to a provider, and the measurement of its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any, TypeVar

import msgspec

from renderer.http import Answer, HttpError, Request, send
from renderer.metric_providers.access import Access, RunReference
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.port_forward import PortForwards
from renderer.rollouts.analysis.arguments import hide
from renderer.rollouts.analysis.evaluate import ERROR, EvaluationError, evaluate_result
from renderer.rollouts.analysis.expr.errors import ExpressionError
from renderer.rollouts.analysis.expr.values import float_text
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement
from renderer.rollouts.analysis.web import MAX_DEPTH, decode_json, is_deeper

_NO_ANSWER, _SERVER_ERROR = (401, 403, 407, 408, 429), 500
"""The statuses of HTTP that say nothing of the query."""
LONGEST_MESSAGE = 1000
"""The most characters of a message: some providers put an answer's whole body into it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A metric to measure at the moment ``at``; ``incomplete`` is the measurement in flight.

    ``forwards`` are those that the questions of a pass share.  ``hidden`` collects the values that no message may have.
    ``unanswered`` gets the metric's name where the provider has no answer now: it cannot be reached, refuses the
    access, or is out of order.
    """

    metric: Metric
    at: datetime
    access: Access
    run: RunReference
    forwards: PortForwards
    incomplete: Measurement | None = None
    terminates: bool = False
    hidden: set[str] = field(default_factory=set, repr=False)
    unanswered: set[str] = field(default_factory=set)

    def provider(self, name: str) -> Mapping[str, Any]:
        """Return the fields of the metric's provider."""
        fields: Mapping[str, Any] = self.metric.provider.get(name) or {}
        return fields

    async def from_here(self, request: Request) -> Request:
        """Return a request whose address is reachable from here; raise ``ProviderError`` for a failed port-forward."""
        try:
            return msgspec.structs.replace(request, url=await self.forwards.address(request.url))
        except ProviderError:
            self.unanswered.add(self.metric.name)
            raise

    async def send(self, request: Request, body_error: str = "") -> Answer:
        """Return the answer to a request to an address in the cluster's words; raise ``ProviderError``.

        ``body_error`` is what the provider says before the error of a body that broke off.
        """
        request = await self.from_here(request)
        try:
            answer = await send(request)
        except HttpError as error:
            self.unanswered.add(self.metric.name)
            raise ProviderError((body_error if error.in_body else "") + str(error)) from None
        if answer.status in _NO_ANSWER or answer.status >= _SERVER_ERROR:
            self.unanswered.add(self.metric.name)
        return answer

    def without_secrets(self, measurement: Measurement) -> Measurement:
        """Return a measurement whose texts have asterisks for each secret, and a message of a bounded length."""
        hidden = sorted(self.hidden, key=len, reverse=True)
        message = hide(measurement.message, hidden)
        if len(message) > LONGEST_MESSAGE:
            message = message[: LONGEST_MESSAGE - 1] + "…"
        return msgspec.structs.replace(
            measurement,
            message=message,
            value=hide(measurement.value, hidden),
            metadata={key: hide(text, hidden) for key, text in measurement.metadata.items()},
        )


def assessed(
    metric: Metric, result: Any, value: str, metadata: Mapping[str, str] | None = None, *, keeps_value: bool = False
) -> Measurement:
    """Return the measurement of a result, which is a value as in ``expr.values``.

    ``keeps_value``: a condition that fails leaves the value, as with some providers; else raises ``ProviderError``.
    """
    try:
        phase = evaluate_result(result, metric.success_condition, metric.failure_condition)
    except (EvaluationError, ExpressionError) as error:
        if keeps_value:
            return Measurement(ERROR, value, str(error), metadata=metadata or {})
        raise ProviderError(str(error)) from None
    return Measurement(phase, value, metadata=metadata or {})


def failed(error: ProviderError) -> Measurement:
    """Return the measurement of an error."""
    return Measurement(ERROR, message=str(error))


def decoded(body: bytes, kind: type[T]) -> T:
    """Return the JSON of an answer as a struct; raise ``ProviderError`` in the words of Go's ``encoding/json``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ProviderError(f"json: cannot unmarshal: {error}") from None
    except (msgspec.DecodeError, RecursionError):
        raise ProviderError(json_error(body)) from None


def decoded_as(value: Any, kind: Any) -> Any:
    """Return a part of decoded JSON as a type; raise ``ProviderError``."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ProviderError(f"json: cannot unmarshal: {error}") from None


def decoded_any(text: str) -> Any:
    """Return JSON with every number as a float; raise ``ProviderError``."""
    try:
        value = decode_json(text)
    except ValueError:
        raise ProviderError(json_error(text.encode())) from None
    if is_deeper(value, MAX_DEPTH):
        raise ProviderError(f"rollstep leaves out an answer nested more than {MAX_DEPTH} levels deep")
    return value


def json_error(body: bytes) -> str:
    """Return the error of Go's ``encoding/json`` for a text that is no JSON."""
    text = body.decode(errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        found = text[error.pos : error.pos + 1]
        if error.msg == "Extra data":
            return f"invalid character '{found}' after top-level value"
        if not found or not text.strip():
            return "unexpected end of JSON input"
        return f"invalid character '{found}' looking for beginning of value"
    except RecursionError:
        return "exceeded max depth"
    return "invalid UTF-8 or number in JSON"


def plain_float(value: float) -> str:
    """Return a float as Go's ``strconv.FormatFloat`` does with format ``f`` and the shortest precision."""
    return format(Decimal(repr(value)), "f").removesuffix(".0") if isfinite(value) else float_text(value)
