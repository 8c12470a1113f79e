"""The passes that a pipeline missed are those that a controller would have made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.rollouts.analysis.catch_up import MOST_PASSES, CaughtUp, UnansweredError, catch_up, last_moment
from renderer.rollouts.analysis.documents import run_document, spec_document, status_of_run
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import Measurement, RunSpec, RunStatus, run_spec_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PHASES = ("Successful", "Failed", "Inconclusive", "Error")
Answer = Callable[[str, datetime], str | None]


def metric(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "provider": {"prometheus": {"query": name}}, **fields}


def is_series(asked: Metric) -> bool:
    return not asked.name.startswith("now")


def look(spec: RunSpec, status: RunStatus, now: datetime, answer: Answer) -> CaughtUp:
    """Measure a run up to ``now``."""
    passes = catch_up(spec, status, {}, start=START, now=now, has_past=is_series)
    try:
        asked = next(passes)
        while True:
            phases = [answer(task.metric.name, asked.moment) for task in asked.tasks]
            asked = passes.send([None if phase is None else Measurement(phase, phase) for phase in phases])
    except StopIteration as stop:
        found: CaughtUp = stop.value
        return found


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


specs = st.lists(
    st.fixed_dictionaries(
        {"interval": st.sampled_from(["1s", "7s", "30s", "1m"]), "count": st.integers(1, 12)},
        optional={
            "initialDelay": st.sampled_from(["5s", "1m"]),
            "failureLimit": st.integers(0, 1),
            "inconclusiveLimit": st.just(1),
            "consecutiveErrorLimit": st.integers(0, 4),
        },
    ),
    min_size=1,
    max_size=3,
).map(lambda bodies: RunSpec(tuple(metric(f"m{number}", **body) for number, body in enumerate(bodies))))


@given(specs, st.lists(st.integers(1, 300), min_size=1, max_size=20, unique=True), st.randoms(use_true_random=False))
def test_the_moments_do_not_depend_on_the_pipeline(spec: RunSpec, times: list[int], random: Any) -> None:
    answers: dict[tuple[str, datetime], str] = {}

    def answer(name: str, moment: datetime) -> str:
        # Successes are more frequent than the rest.
        return answers.setdefault((name, moment), random.choice((*PHASES, *["Successful"] * 9)))

    last = max(times)
    seldom, seen = look(spec, RunStatus(), at(last), answer).status, RunStatus()
    for second in sorted(times):
        if not seen.is_completed:
            seen = look(spec, seen, at(second), answer).status
    kept = {result.name: result.measurements for result in seldom.metric_results}
    for result in seen.metric_results:
        fewer = min(len(result.measurements), len(kept[result.name]))
        assert result.measurements[-fewer:] == kept[result.name][-fewer:]
    counts = [[result.count for result in status.metric_results] for status in (seldom, seen)]
    assert counts[0] == counts[1]
    assert (seen.phase, seen.message, seen.completed_at) == (seldom.phase, seldom.message, seldom.completed_at)


def test_every_due_moment_is_asked_once() -> None:
    asked: list[datetime] = []

    def answer(_: str, moment: datetime) -> str:
        asked.append(moment)
        return "Successful"

    spec = RunSpec((metric("rate", interval="1m", count=5),))
    found = look(spec, RunStatus(), at(150), answer)
    assert asked == [at(0), at(60), at(120)]
    assert found.next_look == at(180)
    assert look(spec, found.status, at(170), answer).status == found.status
    assert look(spec, found.status, at(600), answer).status.phase == "Successful"
    assert asked == [at(0), at(60), at(120), at(180), at(240)]


def test_what_knows_the_present_only_is_asked_for_it() -> None:
    asked: list[tuple[str, datetime]] = []

    def answer(name: str, moment: datetime) -> str:
        asked.append((name, moment))
        return "Successful"

    spec = RunSpec((metric("now", interval="1m", count=2), metric("rate", interval="2m", count=3)))
    look(spec, RunStatus(), at(130), answer)
    assert asked == [("rate", at(0)), ("rate", at(120)), ("now", at(130))]


def test_an_interval_below_a_second_ends() -> None:
    spec = RunSpec((metric("rate", interval="0s", failureLimit=1),))
    found = look(spec, RunStatus(), at(5), lambda _, __: "Successful")
    times = [item.started_at for item in found.status.metric_results[0].measurements]
    assert times == [at(second) for second in range(6)]


def test_too_many_moments_are_left_to_the_next_call() -> None:
    spec = RunSpec((metric("rate", interval="1s"),))
    found = look(spec, RunStatus(), at(MOST_PASSES + 100), lambda _, __: "Successful")
    assert found.next_look == at(MOST_PASSES)
    assert last_moment(found.status) == at(MOST_PASSES - 1)
    again = look(spec, found.status, at(MOST_PASSES + 100), lambda _, __: "Successful")
    assert again.status.metric_results[0].count == MOST_PASSES + 101


def test_all_measurements_of_a_call_are_kept_and_few_older_ones() -> None:
    spec = RunSpec((metric("rate", interval="1s"),))
    found = look(spec, RunStatus(), at(30), lambda _, __: "Successful")
    assert len(found.status.metric_results[0].measurements) == 31
    later = look(spec, found.status, at(32), lambda _, __: "Successful").status.metric_results[0]
    assert (len(later.measurements), later.count) == (10, 33)
    moments = [item.started_at for item in later.measurements if item.started_at is not None]
    assert all(second - first == timedelta(seconds=1) for first, second in pairwise(moments))


def test_a_provider_without_an_answer_counts_for_the_present_alone() -> None:
    spec = RunSpec((metric("rate", interval="10s", count=100),))
    found = look(spec, RunStatus(), at(600), lambda _, moment: None if moment < at(600) else "Error")
    (result,) = found.status.metric_results
    assert [(item.phase, item.started_at) for item in result.measurements] == [("Error", at(600))]
    with pytest.raises(UnansweredError, match="rate"):
        look(spec, RunStatus(), at(600), lambda _, moment: None if moment < at(600) else "Successful")


def test_a_run_is_the_same_as_a_document() -> None:
    spec = RunSpec((metric("rate", interval="1m", count=3), metric("now", interval="1m", count=2)))
    status = look(spec, RunStatus(), at(90), lambda name, _: "Failed" if name == "now" else "Successful").status
    document = run_document("web-1", "shop", spec_document(spec), status)
    assert (status_of_run(document), run_spec_of(document)) == (status, spec)
