"""Passes over an AnalysisRun: what is due, the phases and messages, and when to look again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from renderer.rollouts.analysis.arguments import Argument
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import (
    Measurement,
    RunSpec,
    RunStatus,
    begin,
    finish,
    is_equal,
    is_expired,
    next_pass,
    run_spec_of,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
WEB = {"web": {"url": "http://metrics.example.com", "jsonPath": "{$.v}"}}


def metric(name: str = "m", **fields: Any) -> dict[str, Any]:
    return {"name": name, "provider": WEB, **fields}


def spec(*metrics: dict[str, Any], **fields: Any) -> RunSpec:
    return RunSpec(metrics=metrics, **fields)


def seconds(number: float) -> datetime:
    return START + timedelta(seconds=number)


def go(run: RunSpec, status: RunStatus, at: float, *phases: str) -> RunStatus:
    """Make a pass whose measurements have these phases, in the order of the tasks."""
    started = begin(run, status, {}, seconds(at))
    assert len(started.tasks) == len(phases), started.tasks
    return finish(
        started, [Measurement(phase, message="why" if phase == "Error" else "") for phase in phases], seconds(at)
    )


def following(run: RunSpec, status: RunStatus, at: float) -> float | None:
    started = begin(run, status, {}, seconds(at))
    moment = next_pass(started, status, seconds(at))
    return None if moment is None else (moment - START).total_seconds()


def sequence(run: RunSpec, phases: Sequence[str], interval: float = 61) -> RunStatus:
    status = RunStatus()
    for index, phase in enumerate(phases):
        status = go(run, status, index * interval, phase)
    return status


def test_an_interval_counts_from_the_end_and_is_over_strictly_after_it() -> None:
    run = spec(metric(interval="1m", count=2))
    status = go(run, RunStatus(), 0.7, "Successful")
    assert status.phase == "Running"
    # Times are stored as whole seconds.
    assert following(run, status, 1) == 60
    assert begin(run, status, {}, seconds(60)).tasks == ()
    status = go(run, status, 60.001, "Successful")
    assert (status.phase, status.completed_at) == ("Successful", seconds(60))
    assert following(run, status, 61) is None


def test_after_an_error_the_interval_is_ten_seconds() -> None:
    run = spec(metric(interval="1m", count=2))
    status = go(run, RunStatus(), 0, "Error")
    assert following(run, status, 0) == 10
    (result,) = status.metric_results
    assert (result.count, result.error, result.consecutive_error) == (0, 1, 1)
    status = go(run, status, 10.1, "Successful")
    assert following(run, status, 11) == 70
    (result,) = status.metric_results
    assert (result.count, result.error, result.consecutive_error, result.consecutive_success) == (1, 1, 0, 1)


def test_an_initial_delay_counts_from_the_first_pass() -> None:
    run = spec(metric(initialDelay="30s"), metric("other", interval="10s"))
    status = go(run, RunStatus(), 0, "Successful")
    assert status.started_at == START
    assert [result.name for result in status.metric_results] == ["other"]
    assert following(run, status, 0) == 10
    assert [task.metric.name for task in begin(run, status, {}, seconds(29.9)).tasks] == ["other"]
    assert [task.metric.name for task in begin(run, status, {}, seconds(30)).tasks] == ["m", "other"]


def test_a_delay_after_the_first_measurement_does_not_matter() -> None:
    run = spec(metric(initialDelay="30s", interval="5s"))
    status = go(run, go(run, RunStatus(), 0), 30, "Successful")
    assert following(run, status, 30) == 35


@pytest.mark.parametrize(
    ("fields", "phases", "phase", "reason"),
    [
        ({}, ["Successful"], "Successful", ""),
        ({}, ["Failed"], "Failed", "failed (1) > failureLimit (0)"),
        ({}, ["Inconclusive"], "Inconclusive", "inconclusive (1) > inconclusiveLimit (0)"),
        ({"interval": "1m", "count": 3, "failureLimit": 1}, ["Failed", "Successful"], "Running", ""),
        ({"interval": "1m", "count": 3, "failureLimit": 1}, ["Failed", "Successful", "Successful"], "Successful", ""),
        ({"interval": "1m", "failureLimit": "1"}, ["Failed", "Failed"], "Failed", "failed (2) > failureLimit (1)"),
        ({}, ["Error"] * 5, "Error", 'consecutiveErrors (5) > consecutiveErrorLimit (4): "Error Message: why"'),
        ({}, ["Error"] * 4 + ["Successful"], "Successful", ""),
        ({"interval": "1m", "consecutiveSuccessLimit": 2}, ["Successful", "Successful"], "Successful", ""),
        (
            {"interval": "1m", "consecutiveSuccessLimit": 2, "failureLimit": 9},
            ["Successful", "Failed", "Successful"],
            "Running",
            "",
        ),
        (
            {"interval": "1m", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": 1},
            ["Successful", "Failed", "Successful"],
            "Inconclusive",
            "",
        ),
        (
            {"interval": "1m", "count": 2, "consecutiveSuccessLimit": 2, "failureLimit": -1},
            ["Failed", "Failed"],
            "Failed",
            "",
        ),
        ({"interval": "1m", "count": "text"}, ["Successful"] * 3, "Running", ""),
    ],
)
def test_limits_and_counts(fields: dict[str, Any], phases: list[str], phase: str, reason: str) -> None:
    status = sequence(spec(metric(**fields)), phases)
    assert status.phase == phase
    assert status.message == (f'Metric "m" assessed {phase} due to {reason}' if reason else "")


def test_the_last_limit_that_is_exceeded_counts() -> None:
    run = spec(metric(interval="1m", failureLimit=1, inconclusiveLimit=0, consecutiveErrorLimit=0))
    status = sequence(run, ["Failed", "Inconclusive"])
    (result,) = status.metric_results
    both = replace(result, failed=2, phase="Running", consecutive_error=1)
    assert go(run, replace(status, phase="Running", metric_results=(both,)), 999, "Failed").phase == "Inconclusive"


def test_a_failed_metric_ends_the_others_one_pass_later() -> None:
    run = spec(metric("a"), metric("b", interval="1m"))
    status = go(run, RunStatus(), 0, "Failed", "Successful")
    assert status.phase == "Running"
    assert [result.phase for result in status.metric_results] == ["Failed", "Running"]
    status = go(run, status, 0)
    assert (status.phase, status.message) == (
        "Failed",
        'Metric "a" assessed Failed due to failed (1) > failureLimit (0)',
    )
    assert [result.phase for result in status.metric_results] == ["Failed", "Successful"]
    assert status.run_summary == replace(status.run_summary, count=2, failed=1, successful=1)


def test_a_dry_run_never_worsens_the_run() -> None:
    run = spec(metric("a"), metric("b"), dry_run=({"metricName": "^b"},))
    status = go(run, RunStatus(), 0, "Successful", "Failed")
    assert (status.phase, status.message) == ("Successful", "")
    assert status.metric_results[1].message == "Metric assessed Failed due to failed (1) > failureLimit (0)"
    assert status.dry_run_summary == replace(status.run_summary, failed=1, successful=0)


def test_a_terminated_run_begins_nothing_and_is_successful() -> None:
    run = spec(metric(interval="1m"), metric("late", initialDelay="1h"))
    status = go(run, RunStatus(), 0, "Successful")
    status = go(replace(run, terminate=True), status, 90)
    assert (status.phase, status.message) == ("Successful", "Run Terminated")
    assert go(spec(metric(), terminate=True), RunStatus(), 0).phase == "Successful"


def test_a_measurement_in_flight_is_resumed() -> None:
    run = spec(metric())
    started = begin(run, RunStatus(), {}, START)
    status = finish(started, [Measurement("Running", resume_at=seconds(5))], START)
    assert status.metric_results[0].phase == "Running"
    assert following(run, status, 0) == 5
    assert begin(run, status, {}, seconds(4)).tasks == ()
    # A terminating run does not wait.
    assert begin(replace(run, terminate=True), status, {}, seconds(4)).tasks[0].incomplete is not None
    (task,) = begin(run, status, {}, seconds(5)).tasks
    assert task.incomplete == status.metric_results[0].measurements[0]
    status = go(run, status, 5, "Successful")
    assert (status.phase, len(status.metric_results[0].measurements)) == ("Successful", 1)


def test_old_measurements_are_dropped() -> None:
    endless = metric(interval="1m")
    assert len(sequence(spec(endless), ["Successful"] * 12).metric_results[0].measurements) == 10
    kept = ({"metricName": ".*", "limit": 3},)
    (result,) = sequence(spec(endless, measurement_retention=kept), ["Successful"] * 12).metric_results
    assert (len(result.measurements), result.count) == (3, 12)


def test_a_secret_is_measured_with_and_never_shown() -> None:
    run = spec(
        metric(successCondition="result > {{args.limit}}"),
        arguments=(Argument("limit", value_from={"secretKeyRef": {"name": "creds", "key": "limit"}}),),
    )
    started = begin(run, RunStatus(), {"creds": {"limit": "s3cret"}}, START)
    assert started.tasks[0].metric.success_condition == "result > s3cret"
    status = finish(started, [Measurement("Error", message="bad s3cret")], START)
    assert status.metric_results[0].measurements[0].message == "bad *****"
    assert "s3cret" not in repr(status)
    status = finish(begin(run, RunStatus(), {}, START), [], START)
    assert (status.phase, status.message) == ("Error", 'Unable to resolve metric arguments: secrets "creds" not found')
    status = finish(begin(run, RunStatus(), {"creds": {}}, START), [], START)
    assert status.message.endswith("key 'limit' does not exist in secret 'creds'")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (spec(), "Analysis spec invalid: no metrics specified"),
        (spec(metric(), metric()), "Analysis spec invalid: metrics[1]: duplicate name 'm'"),
        (spec(metric(count=2)), "Analysis spec invalid: metrics[0]: interval must be specified when count > 1"),
        (
            spec(metric(interval="10")),
            'Analysis spec invalid: metrics[0]: invalid interval string: time: missing unit in duration "10"',
        ),
        (
            spec(metric(initialDelay="1d")),
            'Analysis spec invalid: metrics[0]: invalid startDelay string: time: unknown unit "d" in duration "1d"',
        ),
        (
            spec(metric(failureLimit=-2)),
            "Analysis spec invalid: metrics[0]: failureLimit must be >= 0, or -1 to be disabled",
        ),
        (spec(metric(inconclusiveLimit=-1)), "Analysis spec invalid: metrics[0]: inconclusiveLimit must be >= 0"),
        (
            spec(metric(consecutiveErrorLimit=-1)),
            "Analysis spec invalid: metrics[0]: consecutiveErrorLimit must be >= 0",
        ),
        (
            spec(metric(consecutiveSuccessLimit=-1)),
            "Analysis spec invalid: metrics[0]: consecutiveSuccessLimit must be >= 0",
        ),
        (spec({"name": "m", "provider": {}}), "Analysis spec invalid: metrics[0]: no provider specified"),
        (
            spec({"name": "m", "provider": {**WEB, "plugin": {"a/b": {}}}}),
            "Analysis spec invalid: metrics[0]: multiple providers specified",
        ),
        (
            spec(metric(), measurement_retention=({"metricName": "x", "limit": 1},)),
            "Analysis spec invalid: measurementRetention[0]: Rule didn't match any metric name(s)",
        ),
        (
            spec(metric(), dry_run=({"metricName": "["},)),
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
        (
            spec(metric(successCondition="{{args.x}}")),
            "Unable to resolve metric arguments: failed to resolve {{args.x}}",
        ),
    ],
)
def test_an_invalid_run_ends_in_an_error(run: RunSpec, message: str) -> None:
    status = finish(begin(run, RunStatus(), {}, START), [], START)
    assert (status.phase, status.message, status.started_at) == ("Error", message, None)


def test_the_time_to_live_is_over_strictly_after_it() -> None:
    done = RunStatus(phase="Failed", completed_at=START)
    assert not is_expired({"secondsAfterFailure": 60}, done, seconds(60.9))
    assert is_expired({"secondsAfterFailure": 60}, done, seconds(61))
    assert not is_expired({"secondsAfterSuccess": 60}, done, seconds(999))
    assert is_expired({"secondsAfterSuccess": 999, "secondsAfterCompletion": 1}, done, seconds(2))
    assert not is_expired({"secondsAfterCompletion": 1}, replace(done, phase="Running"), seconds(2))
    assert not is_expired(None, done, seconds(999))


def test_runs_are_equal_that_measure_the_same() -> None:
    body = {"spec": {"metrics": [metric()], "args": [{"name": "a", "value": "1"}], "terminate": True}}
    run = run_spec_of(body)
    assert run.terminate
    assert is_equal(run, replace(run, terminate=False))
    assert not is_equal(run, replace(run, arguments=()))


def test_an_endless_metric_has_no_count() -> None:
    assert Metric("m", {}).effective_count == 1
    assert Metric("m", {}, interval="1m").effective_count is None
    assert Metric("m", {}, interval="1m", count=3).effective_count == 3
