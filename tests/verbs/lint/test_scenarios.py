"""No false alarms: the linter agrees with a real controller on accepted and refused manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import load_documents
from renderer.rollouts.checks import check
from renderer.verbs.lint import Context, Group, lint
from renderer.verbs.lint.rules import RULES
from renderer.verbs.lint.yaml_text import scan_text

DATA = Path(__file__).parents[2] / "data"
VALID = sorted((DATA / "conformance" / "scenarios").glob("*/*.yaml"))
INVALID = sorted((DATA / "invalid" / "scenarios").glob("*.yaml"))
FOUND = Path(__file__).parent / "scenarios.json"
"""The place of every warning and note, by scenario; each was reviewed and is a case of its rule.

The scenarios under ``random`` were made by chance, so that weights fall and surge is set where nothing reads it.
"""


def group_of(path: Path) -> Group:
    documents = load_documents(path.read_text(encoding="utf-8"), path.name)
    objects = (Manifest(document.value, document.source) for document in documents)
    return Group(tuple(manifest for manifest in objects if manifest.kind != "Scenario"))


def findings_in(path: Path) -> list[str]:
    findings = lint(Context((group_of(path),))) + scan_text(path.read_text(encoding="utf-8"), path.name)[1]
    return [f"{finding.line} {finding.code} {finding.field}" for finding in sorted(findings)]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_there_are_scenarios():
    assert len(VALID) > 80
    assert len(INVALID) == 54


def test_nothing_that_the_controller_takes_is_an_error():
    found = {name_of(path): findings_in(path) for path in VALID}
    codes = {line.split()[1] for lines in found.values() for line in lines}
    assert {RULES[code].severity for code in codes} <= {"warning", "note"}
    expected = json.loads(FOUND.read_text(encoding="utf-8"))
    assert {name: lines for name, lines in found.items() if lines} == expected


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_what_the_controller_refuses_is_an_error_of_a_rule(path: Path):
    group = group_of(path)
    found = lint(Context((group,)))
    (rollout,) = group.rollouts
    refused = check(rollout, [manifest for manifest in group.manifests if manifest is not rollout])
    assert refused
    assert {*refused} <= {*found}
    assert all(RULES[finding.code].severity == "error" for finding in refused)
