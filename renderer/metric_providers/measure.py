"""Measurements of all tasks of a pass (``runMeasurements`` of ``analysis/analysis.go``)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Protocol

from msgspec.structs import replace

from renderer.metric_providers import (
    cloud_watch,
    command,
    datadog,
    graphite,
    influxdb,
    job,
    kayenta,
    new_relic,
    prometheus,
    skywalking,
    wavefront,
    web,
)
from renderer.metric_providers.access import Access, RunReference, mapped_target
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.port_forward import PortForwards, target_error
from renderer.metric_providers.question import Question, failed
from renderer.metric_providers.secrets import read_secrets
from renderer.rollouts.analysis.evaluate import SUCCESSFUL
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement, Task

__all__ = ["has_past", "measure", "problems", "read_secrets"]

MOST_AT_ONCE = 8
"""The most questions at the same time: each may hold an answer of the largest size."""


class Provider(Protocol):
    """A module of this package, with these functions."""

    def has_past(self, metric: Metric) -> bool:
        """Return whether a moment in the past can be asked for."""

    def problems(self, metric: Metric, access: Access) -> Iterator[str]:
        """Yield each reason for which the metric cannot be measured from here."""

    async def ask(self, question: Question) -> Any:
        """Return the provider's answer; raise ``ProviderError``."""

    def measurement(self, question: Question, answer: Any) -> Measurement:
        """Return the measurement of an answer; raise ``ProviderError``."""


PROVIDERS: Mapping[str, Provider] = {
    "prometheus": prometheus,
    "job": job,
    "kayenta": kayenta,
    "web": web,
    "datadog": datadog,
    "wavefront": wavefront,
    "newRelic": new_relic,
    "cloudWatch": cloud_watch,
    "graphite": graphite,
    "influxdb": influxdb,
    "skywalking": skywalking,
    "plugin": command,
}
"""The providers by their field, in the order in which the controller looks for them."""


def measure(
    tasks: Sequence[Task],
    at: datetime,
    access: Access,
    run: RunReference | None = None,
    *,
    terminates: bool = False,
    unanswered: set[str] | None = None,
    forwards: PortForwards | None = None,
) -> list[Measurement]:
    """Return a measurement of each task at the moment ``at``, which has a time zone, taken at the same time.

    ``run`` names the run for a Job, and has the start that Kayenta asks for.  ``terminates``, as in the ``Pass``, ends
    what is in flight.  A fault of a provider or its answer is a measurement in Error with the controller's message.
    ``unanswered`` gets the names of the metrics whose provider has no answer now, whatever the moment.
    ``forwards`` are shared by several calls, None for those of this call alone.
    """
    with PortForwards(access) if forwards is None else nullcontext(forwards) as shared:
        run, left = run or RunReference(), set[str]() if unanswered is None else unanswered
        questions = [
            Question(task.metric, at, access, run, shared, task.incomplete, terminates, unanswered=left)
            for task in tasks
        ]
        answers = asyncio.run(_ask_all(questions))
    # Conditions compute for a while: assessed in between, one would use up another's time to answer.
    return [_measured(question, answer) for question, answer in zip(questions, answers, strict=True)]


async def _ask_all(questions: Sequence[Question]) -> list[Any]:
    free = asyncio.Semaphore(MOST_AT_ONCE)

    async def ask(question: Question) -> Any:
        async with free:
            try:
                return await _provider(question.metric).ask(question)
            except ProviderError as error:
                return error

    return await asyncio.gather(*map(ask, questions))


def _measured(question: Question, answer: Any) -> Measurement:
    try:
        if isinstance(answer, ProviderError):
            raise answer
        measurement = _provider(question.metric).measurement(question, answer)
    except ProviderError as error:
        measurement = failed(error)
        if question.incomplete is not None:
            # One that was in flight keeps its beginning and its metadata.
            measurement = replace(question.incomplete, phase=measurement.phase, message=measurement.message)
    if question.terminates and question.incomplete is not None and measurement.phase == SUCCESSFUL:
        measurement = replace(measurement, message="Metric Terminated")
    return question.without_secrets(measurement)


def _provider(metric: Metric) -> Provider:
    for name, provider in PROVIDERS.items():
        if metric.provider.get(name) is not None:
            return provider
    raise ProviderError(f"no valid provider in metric '{metric.name}'")


def _addresses(metric: Metric) -> Iterator[str]:
    """Yield the addresses that a metric names itself."""
    for fields in metric.provider.values():
        for name in ("address", "url"):
            if isinstance(fields, Mapping) and isinstance(fields.get(name), str):
                yield fields[name]


def has_past(metric: Metric) -> bool:
    """Return whether the metric's provider can be asked for a moment in the past.

    A job, a web metric and Kayenta know the present only, and so does a query whose times are not all relative.
    """
    try:
        return _provider(metric).has_past(metric)
    except ProviderError:
        return False


def problems(metric: Metric, access: Access) -> tuple[str, ...]:
    """Return each reason for which the metric cannot be measured from here; no network is used.

    Reasons: an address within the cluster that is not mapped, a missing token, a missing extra, a program that may not
    run, and an unknown plugin.  Arguments that are not resolved are passed over.
    """
    try:
        provider = _provider(metric)
    except ProviderError as error:
        return (str(error),)
    targets = [mapped_target(address, access) for address in _addresses(metric)]
    faults = [target_error(target) for target in targets if target is not None]
    return (*provider.problems(metric, access), *filter(None, faults))
