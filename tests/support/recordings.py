"""The recordings of the real controller (``tests/data/conformance``) and their rules of equality."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DATA = Path(__file__).parents[1] / "data" / "conformance"
SCENARIOS = sorted(DATA.glob("scenarios/*/*.yaml"))
GOLDEN = {"1.9": "golden", "1.10": "golden-1.10"}
"""The folder of the recordings of each controller version."""


def path_of(scenario: Path, version: str) -> Path:
    """Return the file of a scenario's recording."""
    return DATA / GOLDEN[version] / scenario.parent.name / f"{scenario.stem}.json"


def golden_of(scenario: Path, version: str) -> Any:
    """Return a scenario's recording."""
    return json.loads(path_of(scenario, version).read_text(encoding="utf-8"))


RUNS = [
    pytest.param(path, version, id=f"{version}/{path.parent.name}/{path.stem}")
    for version in GOLDEN
    for path in SCENARIOS
    if path_of(path, version).exists()
]
"""Every scenario under every version of which there is a recording that came out the same twice."""


def rules_of(path: Path) -> ModuleType:
    """Return the module of the rules that came with recordings."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RULES = rules_of(DATA / "compare.py")
"""``compare.py`` of the recordings."""
