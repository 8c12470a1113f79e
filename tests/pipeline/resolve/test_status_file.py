"""``status.yaml``: all fields are read back, and damage is refused with its position."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.load.status_file import OMITTED_FIELDS, STATUS_SHAPE, ReachedStep, State, dump_state, load_state
from renderer.pipeline.resolve.commit_content import next_state
from renderer.rollouts.model.status import PauseCondition, RolloutStatus
from renderer.rollouts.model.strategy_status import (
    BlueGreenStatus,
    CanaryStatus,
    TrafficWeights,
    WeightDestination,
    json_name,
)
from tests.support.worlds import web

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = State(
    rollout="web",
    revision=3,
    last_update_time=NOON,
    status=RolloutStatus(
        abort=True,
        pause_conditions=(PauseCondition("CanaryPauseStep", NOON),),
        controller_pause=True,
        aborted_at=NOON,
        current_pod_hash="abc",
        current_step_hash="def",
        current_step_index=0,
        collision_count=0,
        canary=CanaryStatus(
            TrafficWeights(
                WeightDestination(20, "canary", "abc"),
                WeightDestination(80, "stable", "old"),
                (WeightDestination(0, "preview"),),
                True,
            ),
            "ping",
        ),
        blue_green=BlueGreenStatus("abc", "old", True),
        stable_rs="old",
        restarted_at=NOON,
        promote_full=True,
        phase="Paused",
        message="CanaryPauseStep",
    ),
    steps=(ReachedStep(3, 0, NOON), ReachedStep(3, 1, NOON + timedelta(minutes=5))),
    created={"web-old": NOON, "web-abc": NOON},
)
TEXT = dump_state(FULL)


def test_every_field_is_read_back() -> None:
    assert load_state(TEXT, "status.yaml") == FULL
    assert dump_state(load_state(TEXT, "status.yaml")) == TEXT


def test_every_field_of_the_status_has_its_shape() -> None:
    kept = {json_name(name) for name in RolloutStatus.__struct_fields__} - set(OMITTED_FIELDS)
    assert set(STATUS_SHAPE.of) == kept
    # The test above does not cover fields that FULL leaves at their defaults.
    assert kept == set(FULL.status.to_dict())


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("currentStepIndex: 0", "currentStepIndex: -1", "status.currentStepIndex", "from 0 on, found -1"),
        ("currentStepIndex: 0", 'currentStepIndex: "0"', "status.currentStepIndex", "found '0'"),
        ("currentStepIndex: 0", "currentStepIndex: true", "status.currentStepIndex", "found True"),
        ("abort: true", "abort: 1", "status.abort", "expected true or false"),
        ("currentPodHash: abc", "currentPodHash: [a]", "status.currentPodHash", "expected text, found a list"),
        ("phase: Paused", "phase: Fine", "status.phase", "found 'Fine'"),
        ("phase: Paused", "fase: Paused", "status.fase", "unknown key"),
        ("weight: 80", "weight: -5", "status.canary.weights.stable.weight", "found -5"),
        ("revision: 3\nlast", "revision: 0\nlast", "revision", "from 1 on, found 0"),
        ("    createdAt:", "    madeAt:", "replicaSets.web-old.createdAt", "missing"),
        ("rollout: web\n", "", "rollout", "missing"),
        (
            "reason: CanaryPauseStep\n    startTime",
            "reason: x\n    since",
            "status.pauseConditions[0].since",
            "unknown",
        ),
        ("stablePingPong: ping", "stablePingPong: pung", "status.canary.stablePingPong", "one of ping, pong"),
        ("rollout: web\n", "<<<<<<< HEAD\nrollout: web\n=======\n", "", "is not YAML"),
    ],
)
def test_damage_is_reported_with_its_position(old: str, new: str, field: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(RollstepError) as error:
        load_state(TEXT.replace(old, new), "web/status.yaml")
    texts = [finding.text() for finding in error.value.findings]
    assert any(
        finding.file == "web/status.yaml" and finding.field == field and message in finding.message
        for finding in error.value.findings
    ), texts
    if "\n" not in old and field.rpartition(".")[2] in new:
        line = TEXT[: TEXT.index(old)].count("\n") + 1
        assert error.value.findings[0].line == line, texts


def test_all_damage_is_reported_at_once() -> None:
    damaged = TEXT.replace("abort: true", "abort: x").replace("weight: 80", "weight: x")
    with pytest.raises(RollstepError) as error:
        load_state(damaged, "status.yaml")
    assert [finding.field for finding in error.value.findings] == [
        "status.abort",
        "status.canary.weights.stable.weight",
    ]
    assert "git checkout HEAD -- status.yaml" in error.value.findings[0].hint


@pytest.mark.parametrize("text", ["", "[]\n", "a: 1\n---\nb: 2\n", "text\n"])
def test_another_document_is_refused(text: str) -> None:
    with pytest.raises(RollstepError, match="one document that is a mapping"):
        load_state(text, "status.yaml")


def test_steps_of_an_older_revision_are_dropped() -> None:
    world = web()
    first = next_state(None, world)
    again = next_state(first, replace(world, now=world.now + timedelta(hours=1)))
    assert [step.reached_at for step in again.steps] == [world.now]
    assert again.last_update_time == world.now + timedelta(hours=1)
