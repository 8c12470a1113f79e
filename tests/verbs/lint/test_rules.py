"""Each rule finds its case ``cases/CODE/bad``, and nothing in ``cases/CODE/good``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from renderer.pipeline.load import ALLOW_EXEC
from renderer.verbs.lint.files import lint_paths
from renderer.verbs.lint.formats import FORMATS
from renderer.verbs.lint.rules import RULES

CASES = Path(__file__).parent / "cases"


@pytest.fixture(autouse=True)
def _may_execute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_EXEC, "1")


def repository(case: Path, place: Path) -> str:
    """Copy a case into an empty folder with a rollstep.yaml, and return that folder."""
    folder = place / "repository"
    shutil.copytree(case, folder)
    (folder / "rollstep.yaml").touch()
    return str(folder)


def test_every_rule_has_a_pair_of_cases():
    assert sorted(path.name for path in CASES.iterdir()) == list(RULES)


@pytest.mark.parametrize("code", RULES)
def test_a_rule_finds_its_case_and_nothing_else_does(code: str, tmp_path: Path):
    linted = lint_paths(repository(CASES / code / "bad", tmp_path), ["."], {})
    assert {finding.code for finding in linted.findings} == {code}
    assert all(finding.file and finding.message for finding in linted.findings)
    assert FORMATS["text"](linted) == (CASES / code / "findings.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", RULES)
def test_a_rule_leaves_alone_what_is_right(code: str, tmp_path: Path):
    linted = lint_paths(repository(CASES / code / "good", tmp_path), ["."], {})
    assert [finding.text() for finding in linted.findings] == []
    assert linted.files
