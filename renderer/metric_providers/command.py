"""A program: the plugin ``rollstep/command``, which the controller does not have.

``plugin: {rollstep/command: {argv: [check-orders, --json], timeout: 30s, past: true}}``: the JSON that the program
prints is the result.  ``ROLLSTEP_AT`` has the asked moment; ``past`` says that the program looks at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.kubernetes.times import format_time
from renderer.metric_providers.access import Access
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.programs import Output, program, run_program
from renderer.metric_providers.question import Question, assessed, decoded_any
from renderer.rollouts.analysis.expr.values import json_text
from renderer.rollouts.analysis.go_parse import parse_duration
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement

PLUGIN = "rollstep/command"
MOMENT_VARIABLE = "ROLLSTEP_AT"
TIMEOUT = "30s"


def has_past(metric: Metric) -> bool:
    """Return whether the metric says that its program looks at the asked moment."""
    return bool(_fields(metric).get("past"))


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    try:
        argv, _ = _command(metric)
    except ProviderError as error:
        yield str(error)
        return
    if not access.allow_exec:
        yield f"{argv[0]} may not run: allow programs with --allow-exec"
    if "{{" not in argv[0] and program(argv[0], access.environment) is None:
        yield f"{argv[0]}: program not found"


def _fields(metric: Metric) -> Mapping[str, Any]:
    fields = (metric.provider.get("plugin") or {}).get(PLUGIN)
    return fields if isinstance(fields, Mapping) else {}


def _command(metric: Metric) -> tuple[list[str], float]:
    """Return the program with its arguments and its timeout in seconds."""
    names = list(metric.provider.get("plugin") or {})
    if names != [PLUGIN]:
        raise ProviderError(f"unable to get metric plugin: {', '.join(names)} is unknown; {PLUGIN} runs a program")
    fields = _fields(metric)
    argv = fields.get("argv")
    if not isinstance(argv, list) or not argv or not all(isinstance(item, str) for item in argv):
        raise ProviderError(f"{PLUGIN} needs argv, a list of texts")
    try:
        seconds = parse_duration(str(fields.get("timeout") or TIMEOUT)) / 10**9
    except ValueError as error:
        raise ProviderError(f"{PLUGIN}: timeout: {error}") from None
    if seconds <= 0:
        raise ProviderError(f"{PLUGIN}: timeout must be positive")
    return argv, seconds


async def ask(question: Question) -> Output:
    """Return what the program prints."""
    argv, timeout = _command(question.metric)
    if not question.access.allow_exec:
        raise ProviderError(f"{argv[0]} may not run: allow programs with --allow-exec")
    environment = {**question.access.environment, MOMENT_VARIABLE: format_time(question.at)}
    return await run_program(argv, environment, timeout=timeout)


def measurement(question: Question, answer: Output) -> Measurement:
    """Return the measurement of a program's JSON; one that fails is an Error."""
    if answer.status:
        last = answer.stderr.splitlines()[-1] if answer.stderr else ""
        raise ProviderError(f"the program failed with exit status {answer.status}" + (f": {last}" if last else ""))
    result = decoded_any(answer.stdout.decode(errors="replace"))
    return assessed(question.metric, result, json_text(result))
