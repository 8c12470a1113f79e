"""The typed Rollout, its status and the ReplicaSet, to and from JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Source
from renderer.kubernetes.times import format_time, parse_duration, parse_time
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.status import PauseCondition, RolloutCondition, RolloutStatus
from renderer.rollouts.model.strategy_status import BlueGreenStatus, CanaryStatus, TrafficWeights, WeightDestination

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def body(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": spec}


def test_defaults_are_the_controllers() -> None:
    rollout = Rollout.from_body(body({"strategy": {"canary": {}}}))
    assert (rollout.replicas, rollout.revision_history_limit, rollout.progress_deadline_seconds) == (1, 10, 600)
    assert rollout.canary is not None
    assert (rollout.canary.max_surge, rollout.canary.max_unavailable) == ("25%", "25%")
    assert rollout.revision == 0


def test_all_invalid_types_are_reported_with_their_lines() -> None:
    positions = {("spec", "replicas"): (4, 3), ("spec", "strategy", "canary", "steps", 1): (9, 7)}
    steps = [{"setWeight": 10}, {"setWeight": "ten"}]
    wrong = body({"replicas": "two", "paused": "no", "strategy": {"canary": {"steps": steps}}})
    with pytest.raises(RollstepError) as refusal:
        Rollout.from_body(wrong, Source("web.yaml", positions))
    found = {(finding.field, finding.line) for finding in refusal.value.findings}
    assert found == {("spec.replicas", 4), ("spec.paused", 0), ("spec.strategy.canary.steps[1].setWeight", 9)}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({}, "has neither canary nor blueGreen"),
        ({"canary": {}, "blueGreen": {}}, "has both canary and blueGreen"),
        ({"canary": {"steps": [{}]}}, "expected one of"),
        ({"canary": {"steps": [{"setWeight": 1, "pause": {}}]}}, "found setWeight and pause"),
    ],
)
def test_there_is_one_strategy_and_one_action_a_step(strategy: dict[str, Any], message: str) -> None:
    with pytest.raises(RollstepError, match=message):
        Rollout.from_body(body({"strategy": strategy}))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("500ms", 0),
        ("-1", -1),
        ("soon", -1),
        ("", -1),
        ("1d", -1),
        (".5m", 30),
    ],
)
def test_durations_are_read_as_go_does(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


def test_steps_print_as_the_controllers_events() -> None:
    steps = [
        {"setWeight": 10},
        {"pause": {}},
        {"pause": {"duration": "1h"}},
        {"setCanaryScale": {"replicas": 3}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
        {"setHeaderRoute": {"name": "h"}},
        {"analysis": {}},
    ]
    rollout = Rollout.from_body(body({"strategy": {"canary": {"steps": steps}}}))
    assert rollout.canary is not None
    assert [str(step) for step in rollout.canary.steps] == [
        "setWeight: 10",
        "pause",
        "pause: 1h",
        "setCanaryScale{replicas: 3}",
        "setCanaryScale{matchTrafficWeight: true}",
        "setHeaderRoute: h",
        "analysis",
    ]


TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)
TEXTS = st.text("abcdef0123456789", max_size=6)
COUNTS = st.integers(0, 50)
DESTINATIONS = st.builds(WeightDestination, st.integers(0, 100), TEXTS, TEXTS)
STATUSES = st.builds(
    RolloutStatus,
    abort=st.booleans(),
    aborted_at=st.none() | TIMES,
    pause_conditions=st.lists(st.builds(PauseCondition, st.just("CanaryPauseStep"), TIMES), max_size=1).map(tuple),
    current_pod_hash=TEXTS,
    replicas=COUNTS,
    current_step_index=st.none() | COUNTS,
    collision_count=st.none() | COUNTS,
    conditions=st.lists(
        st.builds(RolloutCondition, TEXTS, st.sampled_from(["True", "False", "Unknown"]), TEXTS, TEXTS, TIMES, TIMES),
        max_size=3,
    ).map(tuple),
    canary=st.builds(CanaryStatus, st.none() | st.builds(TrafficWeights, DESTINATIONS, DESTINATIONS)),
    blue_green=st.builds(BlueGreenStatus, TEXTS, TEXTS, st.booleans()),
    hpa_replicas=COUNTS,
    stable_rs=TEXTS,
    promote_full=st.booleans(),
    phase=TEXTS,
)


@given(STATUSES)
def test_a_status_survives_json(status: RolloutStatus) -> None:
    assert RolloutStatus.from_dict(status.to_dict()) == status


def test_empty_fields_are_left_out_and_step_zero_is_not() -> None:
    assert RolloutStatus().to_dict() == {}
    status = RolloutStatus(current_step_index=0, stable_rs="a", hpa_replicas=2)
    assert status.to_dict() == {"currentStepIndex": 0, "stableRS": "a", "HPAReplicas": 2}


def test_a_replica_set_survives_its_manifest() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    rs = ReplicaSet("web-1", "prod", {"a": "b"}, {"c": "d"}, 3, 5, {"matchLabels": {"a": "b"}}, template, NOW, 3, 3, 3)
    assert ReplicaSet.from_body(rs.to_body(), NOW) == rs
    assert "ownerReferences" not in rs.to_body()["metadata"]


@given(TIMES)
def test_times_survive_text(time: datetime) -> None:
    assert parse_time(format_time(time)) == time


def test_a_time_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        parse_time("2026-01-31T12:00:00")
