"""The engine against recordings of the real controller (``tests/data/conformance``)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from renderer.simulate import read_scenario, simulate, to_document

DATA = Path(__file__).parent / "data" / "conformance"
SCENARIOS = sorted(DATA.glob("scenarios/*/*.yaml"))
HASH = "rollouts-pod-template-hash"

OTHER_ORDER = {
    "nginx-replicas-zero": "the recorder had the canary's pod ready before the stable ones, so that the canary Service "
    "was switched first; both Services are switched between the same two writes",
}
"""Scenarios whose writes come in another order, and why."""


def _load_rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_compare", DATA / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = _load_rules()


def golden_of(scenario: Path) -> Any:
    path = DATA / "golden" / scenario.parent.name / f"{scenario.stem}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def produce(scenario: Path) -> Any:
    read = read_scenario(scenario.read_text(encoding="utf-8"), str(scenario))
    return to_document(read, list(simulate(read)))


def name(scenario: Path) -> str:
    return f"{scenario.parent.name}/{scenario.stem}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name)
def test_frames_are_those_of_the_controller(scenario: Path) -> None:
    assert list(RULES.differences(golden_of(scenario), produce(scenario))) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name)
def test_messages_and_conditions_are_those_of_the_controller(scenario: Path) -> None:
    for wanted, got in zip(golden_of(scenario)["frames"], produce(scenario)["frames"], strict=True):
        assert got["status"].get("message") == wanted["status"].get("message")
        assert got["status"].get("pauseConditions") == wanted["status"].get("pauseConditions")
        assert _by_type(got["status"]) == _by_type(wanted["status"])
        assert got["rolloutAnnotations"] == wanted["rolloutAnnotations"]


def _by_type(status: Any) -> dict[str, Any]:
    return {condition["type"]: condition for condition in status.get("conditions", [])}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name)
def test_writes_are_those_of_the_controller(scenario: Path) -> None:
    wanted = list(effective(golden_of(scenario)["writes"]))
    got = list(effective(produce(scenario)["writes"]))
    if scenario.stem in OTHER_ORDER:
        assert got != wanted, f"{scenario.stem} has the controller's order now: take it out of OTHER_ORDER"
        got, wanted = sorted(got), sorted(wanted)
    assert got == wanted


def effective(writes: list[Any]) -> Iterator[str]:
    """Yield the writes that leave a mark, as text.

    Left out are a write that repeats the one before (the controller's cache lagged behind), patches that move a Service
    away and back (it does so for as long as an aborted canary has pods), and the clean-up at the end of a recording.
    """
    selectors: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for write in writes:
        patch = write.get("patch")
        target = patch["spec"]["selector"][HASH] if write["resource"] == "services" else ""
        if target is None:
            continue
        value = json.dumps(RULES.plain(patch)) if patch is not None else write.get("replicas", "")
        text = f"{write['verb']} {write['resource']} {write['name']} {value}"
        if kept and kept[-1][1] == text:
            continue
        kept.append((write["name"] if target else "", text))
    for index, (service, text) in enumerate(kept):
        if service:
            following = kept[index + 1][0] if index + 1 < len(kept) else ""
            if following == service:
                continue
            target = json.loads(text.split(" ", 3)[3])["spec"]["selector"][HASH]
            if selectors.get(service) == target:
                continue
            selectors[service] = target
        yield text


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
    produced = produce(scenario)
    service = next(item for item in produced["frames"][1]["objects"] if item["kind"] == "Service")
    service["spec"]["selector"][HASH] = "other"
    assert len(list(RULES.differences(golden_of(scenario), produced))) == 1


def test_every_recording_has_its_scenario() -> None:
    assert {path.stem for path in DATA.glob("golden/*/*.json")} == {path.stem for path in SCENARIOS}
    assert len(SCENARIOS) >= 86
