"""The engine against recordings of the real controller (``tests/data/conformance``)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from renderer.rollouts.simulator.frames import to_document
from renderer.rollouts.simulator.scenario import read_scenario, simulate
from tests.support.recordings import DATA, RULES, RUNS, SCENARIOS, golden_of

HASH = "rollouts-pod-template-hash"

OTHER_ORDER = {
    "nginx-replicas-zero": "the recorder had the canary's pod ready before the stable ones, so that the canary Service "
    "was switched first; both Services are switched between the same two writes",
}
OTHER_ORDER_SINCE_1_10 = {
    "case-044": "the recorder had the pods ready before the pass that weighs, which scales down in the one after it",
    "back-009": "the recorder's ReplicaSets caught up one after the other, so that the oldest was deleted a pass later",
}
"""Scenarios whose writes come in another order, and why."""

TAKEN_TOO_EARLY = {
    "back-032": ("abort", "the old ReplicaSet is scaled down in this frame, and the status is the one before that")
}
"""Scenarios with a frame whose conditions are a pass behind its objects: the frame's action, and why."""

WRITES_AFTER_THE_LAST_FRAME = {
    "case-082": "the last frame shows the controller in its five seconds of sleep before it deletes the canary Mapping"
}
"""Scenarios whose recording has an additional write, and why."""


def produce(scenario: Path, version: str) -> Any:
    read = read_scenario(scenario.read_text(encoding="utf-8"), str(scenario))
    return to_document(read, list(simulate(read, version)), version)


@pytest.mark.parametrize(("scenario", "version"), RUNS)
def test_frames_are_those_of_the_controller(scenario: Path, version: str) -> None:
    assert list(RULES.differences(golden_of(scenario, version), produce(scenario, version))) == []


@pytest.mark.parametrize(("scenario", "version"), RUNS)
def test_messages_and_conditions_are_those_of_the_controller(scenario: Path, version: str) -> None:
    for wanted, got in zip(golden_of(scenario, version)["frames"], produce(scenario, version)["frames"], strict=True):
        assert got["status"].get("message") == wanted["status"].get("message")
        assert got["status"].get("pauseConditions") == wanted["status"].get("pauseConditions")
        if wanted["action"] != TAKEN_TOO_EARLY.get(scenario.stem, ("", ""))[0]:
            assert _by_type(got["status"]) == _by_type(wanted["status"])
        assert got["rolloutAnnotations"] == wanted["rolloutAnnotations"]


def _by_type(status: Any) -> dict[str, Any]:
    return {condition["type"]: condition for condition in status.get("conditions", [])}


@pytest.mark.parametrize(("scenario", "version"), RUNS)
def test_writes_are_those_of_the_controller(scenario: Path, version: str) -> None:
    golden = golden_of(scenario, version)
    applied = [item for item in golden["frames"][0]["objects"] if item["kind"] == "VirtualService"]
    wanted = list(effective(golden["writes"], applied))
    got = list(effective(produce(scenario, version)["writes"], applied))
    if scenario.stem in (OTHER_ORDER if version == "1.9" else OTHER_ORDER | OTHER_ORDER_SINCE_1_10):
        assert got != wanted, f"{scenario.stem} has the controller's order now: take it out of OTHER_ORDER"
        got, wanted = sorted(got), sorted(wanted)
    if scenario.stem in WRITES_AFTER_THE_LAST_FRAME:
        wanted = wanted[:-1]
    assert got == wanted


def effective(writes: list[Any], applied: list[Any]) -> Iterator[str]:
    """Yield the writes with a lasting effect, as text.

    Left out are a write that repeats the one before (the controller's cache lagged behind), an update to what the
    object is already (``applied`` at the start), writes that take a route or a Service away and give it back (for as
    long as a canary has no pods, or an aborted one has some), and the clean-up at the end of a recording, when the
    Rollout is deleted.
    """
    kept: list[tuple[str, str]] = []
    objects = {f"virtualservices {item['metadata']['name']}": _content({"object": item}) for item in applied}
    selectors: dict[str, str] = {}
    for write in writes:
        patch, name = write.get("patch"), f"{write['resource']} {write['name']}"
        target = patch["spec"]["selector"][HASH] if write["resource"] == "services" else ""
        content = _content(write)
        if target is None or (write["verb"] == "update" and objects.get(name) == content != "") or _cleans_up(write):
            continue
        objects[name] = content
        text = f"{write['verb']} {name} {content or write.get('replicas', '')}"
        if write["resource"] == "virtualservices" and kept[1:] and kept[-2][1] == text and name in kept[-1][1]:
            kept.pop()
            continue
        if not kept or kept[-1][1] != text:
            kept.append((target, text))
    for index, (target, text) in enumerate(kept):
        if target:
            service = text.split(" ", 3)[2]
            following = kept[index + 1] if index + 1 < len(kept) else ("", "")
            if (following[0] and following[1].split(" ", 3)[2] == service) or selectors.get(service) == target:
                continue
            selectors[service] = target
        yield text


def _content(write: Any) -> str:
    body = write.get("patch")
    if "object" in write:
        metadata = {key: value for key, value in write["object"]["metadata"].items() if key != "ownerReferences"}
        body = RULES.plain({**write["object"], "metadata": metadata})
    return "" if body is None else json.dumps(RULES.plain(body), sort_keys=True)


def _cleans_up(write: Any) -> bool:
    if write["resource"] == "ingresses" and write["verb"] == "update":
        # With its Rollout an ALB Ingress loses the canary's target group.
        return '"TargetGroups' in str(write["object"]["metadata"]["annotations"])
    if write["resource"] != "destinationrules":
        return False
    return all(HASH not in (subset.get("labels") or {}) for subset in write["object"]["spec"]["subsets"])


def test_the_command_prints_what_the_rules_accept(tmp_path: Path) -> None:
    scenario = DATA / "scenarios" / "manual" / "nginx-basic.yaml"
    command = [sys.executable, "-m", "renderer", "simulate", str(scenario), "--output", "json"]
    produced = tmp_path / "produced.json"
    with produced.open("w", encoding="utf-8") as file:
        subprocess.run(command, stdout=file, check=True)
    golden = DATA / "golden" / "manual" / "nginx-basic.json"
    compared = subprocess.run(
        [sys.executable, str(DATA / "compare.py"), str(golden), str(produced)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (compared.returncode, compared.stdout.strip()) == (0, "")


def test_the_rules_find_a_difference() -> None:
    scenario = DATA / "scenarios" / "manual" / "nginx-basic.yaml"
    produced = json.loads(json.dumps(produce(scenario, "1.9")))
    service = next(item for item in produced["frames"][1]["objects"] if item["kind"] == "Service")
    service["spec"]["selector"][HASH] = "other"
    assert len(list(RULES.differences(golden_of(scenario, "1.9"), produced))) == 1


def test_every_recording_has_its_scenario() -> None:
    assert {path.stem for path in DATA.glob("golden*/*/*.json")} == {path.stem for path in SCENARIOS}
    assert (len(SCENARIOS), len(RUNS)) == (174, 297)
