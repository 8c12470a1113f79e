"""The threat model: each row of its tables, and each promise, names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path("docs/explanation/threat-model.md")
_TESTS = re.compile(r"\[((?:`test_\w+`(?:, )?)+)\]\((?:\.\./)+(tests/[\w/]+\.py)\)")


def rows(text: str) -> list[str]:
    """Return the rows of the tables that have a column ``test``, without their heads."""
    found, is_tested = [], False
    for line in text.splitlines():
        if not line.startswith("|"):
            is_tested = False
        elif line.rstrip().endswith("| test |"):
            is_tested = True
        elif is_tested and not line.startswith("|---"):
            found.append(line)
    return found


def test_each_row_names_a_test(project: Path) -> None:
    listed = rows((project / PAGE).read_text(encoding="utf-8"))
    assert len(listed) > 60
    assert [row for row in listed if not _TESTS.search(row)] == []


def test_each_named_test_exists(project: Path) -> None:
    named = _TESTS.findall((project / PAGE).read_text(encoding="utf-8"))
    for names, file in named:
        text = (project / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(test_\w+)`", names):
            assert f"def {name}(" in text, f"{file} has no {name}"


@pytest.mark.parametrize("words", ["It writes only", "It writes all", "It runs no program", "A file of yours"])
def test_each_promise_names_a_test(project: Path, words: str) -> None:
    text = (project / PAGE).read_text(encoding="utf-8")
    promises = text.partition("## What rollstep promises")[2].partition("\n## ")[0]
    (promise,) = (item for item in promises.split("\n- ") if item.startswith(words))
    assert _TESTS.search(" ".join(promise.split()))
