"""Simulation of AnalysisRuns whose web metrics answer as scripted, and of conditions.

The first document of a run is ``kind: AnalysisScenario`` with ``responses``, the second the AnalysisRun.  Time is
virtual, and starts and ends nothing: a pass is made when one is due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.rollouts.analysis.documents import status_document
from renderer.rollouts.analysis.evaluate import ERROR, EvaluationError, evaluate_result
from renderer.rollouts.analysis.expr.values import Floats
from renderer.rollouts.analysis.run import (
    Measurement,
    RunSpec,
    RunStatus,
    Task,
    begin,
    finish,
    next_pass,
    run_spec_of,
)
from renderer.rollouts.analysis.web import decode_json, web_measurement
from renderer.rollouts.simulator.documents import START, documents_of

KIND = "AnalysisScenario"

RECORDED_START = START + timedelta(milliseconds=600)
"""The start of a simulated run: the API server keeps whole seconds, so that the first interval is shorter."""
STORED = timedelta(milliseconds=10)
"""The time until a pass sees the status that the one before it stored, or that its moment has come."""
TERMINATION = timedelta(milliseconds=500)
"""The time from the last answer before ``terminateAfter`` to the termination of the run."""
MAX_PASSES = 10_000
"""The most passes of a run: an endless metric whose last answer repeats would never be over."""

Answer = Mapping[str, Any]
"""``{json: VALUE}``, ``{text: TEXT}`` or ``{status: CODE}``."""


class RunScenario(Struct, frozen=True):
    """A run, the answers of each metric (the last repeats), and the number of answers after which it is terminated."""

    name: str
    spec: RunSpec
    responses: Mapping[str, Sequence[Answer]]
    secrets: Mapping[str, Mapping[str, str]]
    terminate_after: int | None = None


def read_run_scenario(text: str, file: str) -> RunScenario:
    """Read a run's scenario; raise ``RollstepError`` with every fault of its answers."""
    documents = documents_of(text, file)
    bodies = [document.value for document in documents]
    if len(bodies) != 2 or not all(isinstance(body, dict) for body in bodies) or bodies[1].get("kind") != "AnalysisRun":
        raise RollstepError([Finding(file, 1, 0, "", f"expected two documents, of kind {KIND} and AnalysisRun")])
    head, source = bodies[0], documents[0].source
    responses = head.get("responses") or {}
    findings = [
        Finding(file, *source.position(("responses", name, index)), f"responses.{name}[{index}]", error)
        for name, answers in responses.items()
        for index, answer in enumerate(answers)
        if (error := error_of_answer(answer))
    ]
    if findings:
        raise RollstepError(findings)
    spec = run_spec_of(bodies[1])
    return RunScenario(PurePath(file).stem, spec, responses, head.get("secrets") or {}, head.get("terminateAfter"))


def error_of_answer(answer: Any) -> str:
    """Return the fault of a scripted answer; empty for a valid one."""
    if not isinstance(answer, dict) or len(answer) != 1 or next(iter(answer)) not in ("json", "text", "status"):
        return f"expected json, text or status, found {answer!r}"
    return "" if "status" not in answer or isinstance(answer["status"], int) else "status needs an integer"


class Answers:
    """Scripted answers of metrics, by name, and how many were given."""

    def __init__(self, responses: Mapping[str, Sequence[Answer]]) -> None:
        self.responses = dict(responses)
        self.given: dict[str, int] = {}

    def measure(self, task: Task) -> Measurement:
        """Return the measurement of a metric's next answer."""
        name = task.metric.name
        index = self.given.get(name, 0)
        self.given[name] = index + 1
        answers = self.responses.get(name) or [{"status": 404}]
        answer = answers[min(index, len(answers) - 1)]
        if "status" in answer:
            return web_measurement(task.metric, answer["status"], "")
        text = answer["text"] if "text" in answer else json.dumps(answer["json"])
        return web_measurement(task.metric, 200, str(text))


def simulate_run(scenario: RunScenario) -> RunStatus:
    """Return the status of a run that is over.

    Raises ``RollstepError`` for one that never is.
    """
    answers = Answers(scenario.responses)
    spec, status, now = scenario.spec, RunStatus(), RECORDED_START
    terminated_at: datetime | None = None
    for _ in range(MAX_PASSES):
        started = begin(spec, status, scenario.secrets, now)
        before, status = status, finish(started, [answers.measure(task) for task in started.tasks], now)
        if status.is_completed:
            return status
        if terminated_at is None and 0 < (scenario.terminate_after or 0) <= sum(answers.given.values()):
            terminated_at = now + TERMINATION
        # Every change of the status is an event, after which the controller looks again.
        following = now if status != before else next_pass(started, status, now)
        moments = [moment for moment in (following, terminated_at) if moment is not None]
        if not moments:
            break
        now = max(min(moments), now) + STORED
        if terminated_at is not None and now > terminated_at:
            spec, terminated_at = replace(spec, terminate=True), None
    raise RollstepError(f"{scenario.name}: the run does not end; give it a count, a failing answer or terminateAfter")


def run_document(scenario: RunScenario, status: RunStatus) -> dict[str, Any]:
    """Return the simulation as JSON-ready data, in the form of the recordings."""
    return {"scenario": scenario.name, "status": status_document(status, with_times=False)}


def evaluate_conditions(text: str, file: str) -> list[dict[str, str]]:
    """Return ``{"phase"}``, and for an Error its message, for each line ``{"result", "successCondition", …}``.

    ``kind`` ``floats`` is a ``[]float64``; any other result is decoded JSON.  Raises ``RollstepError`` for every line
    that is none.
    """
    produced, findings = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            produced.append(_evaluate_line(line))
        except ValueError as error:
            findings.append(Finding(file, number, 0, "", f"expected an object with result and conditions: {error}"))
    if findings:
        raise RollstepError(findings)
    return produced


def _evaluate_line(line: str) -> dict[str, str]:
    try:
        body = decode_json(line)
    except ValueError:
        # NaN and infinite numbers are no JSON, but a query may have them.
        body = json.loads(line, parse_int=float)
    if not isinstance(body, dict) or "result" not in body:
        raise ValueError("no result")
    result = body["result"]
    if body.get("kind") == "floats":
        if not isinstance(result, list):
            raise ValueError("floats need a list")
        result = Floats(map(float, result))
    elif body.get("kind") == "float":
        result = float(result)
    try:
        return {
            "phase": evaluate_result(result, body.get("successCondition") or "", body.get("failureCondition") or "")
        }
    except EvaluationError as error:
        return {"phase": ERROR, "error": str(error)}
