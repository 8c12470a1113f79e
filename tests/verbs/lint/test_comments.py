"""Ignore comments: the lines that they apply to, and the findings about them."""

from __future__ import annotations

import pytest

from renderer.errors import Finding
from renderer.verbs.lint.comments import apply_comments
from renderer.verbs.lint.selection import Selection
from renderer.verbs.lint.yaml_text import scan_text


def finding(line: int, code: str = "RS420") -> Finding:
    return Finding("web.yaml", line, 5, "spec", "wrong", "", code)


def left(text: str, *findings: Finding, selection: Selection | None = None) -> list[tuple[str, int]]:
    comments, _ = scan_text(text, "web.yaml")
    kept = apply_comments(findings, comments, selection or Selection())
    return sorted((one.code, one.line) for one in kept)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2 # rollstep: ignore RS420 -- a reason\n", 2),
        ("a: 1\nb: 2   #rollstep:ignore RS420--a reason", 2),
        ("# rollstep: ignore RS420 -- a reason\n\n# another comment\nb: 2\n", 4),
        ("a: 1 # about a\n# rollstep: ignore RS420 -- a reason\nb: 2\n", 3),
        ("é: 1\nb: ö # rollstep: ignore RS420 -- a reason\n", 2),
        ("a: 1\r\nb: 2 # rollstep: ignore RS420 -- a reason\r\n", 2),
        ("- x\n- y # rollstep: ignore RS420 -- a reason\n", 2),
        ("a: 1\n---\nb: |\n  text\n# rollstep: ignore RS420 -- a reason\nc: 2\n", 6),
    ],
)
def test_a_finding_is_ignored_on_the_line_or_the_one_before(text: str, line: int):
    assert left(text, finding(line)) == []
    assert ("RS420", line + 1) in left(text, finding(line), finding(line + 1))


@pytest.mark.parametrize(
    "text",
    [
        'a: "b # rollstep: ignore RS420 -- a reason"\n',
        "a: b# rollstep: ignore RS420 -- a reason\n",
        "a: |\n  # rollstep: ignore RS420 -- a reason\n  b\n",
        "a: 1\n\n# rollstep: ignore RS420 -- a reason\n",
        "a: 1\n# rollstep: ignore RS420 -- a reason\nb: 2\n",
        "a: 1 # please rollstep: ignore RS420 -- a reason\n",
    ],
)
def test_what_is_no_comment_on_the_line_ignores_nothing(text: str):
    assert ("RS420", 1) in left(text, finding(1), finding(2, "RS410"))


def test_only_the_named_rule_is_ignored_and_all_its_findings_on_the_line():
    text = "a: 1 # rollstep: ignore RS420 -- a reason\n"
    assert left(text, finding(1), finding(1, "RS410")) == [("RS410", 1)]
    other = Finding("web.yaml", 1, 9, "status", "wrong as well", "", "RS420")
    assert left(text, finding(1), other) == []


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("ignore RS420", ["RS420", "RS901"]),
        ("ignore RS420 --", ["RS420", "RS901"]),
        ("ignore RS420 because", ["RS420", "RS901", "RS903"]),
        ("ignore -- a reason", ["RS420", "RS903"]),
        ("ignore RS42 -- a reason", ["RS420", "RS903"]),
        ("ignore rs420 -- a reason", ["RS420", "RS903"]),
        ("ignore RS999 -- a reason", ["RS420", "RS903"]),
        ("ignore RS420, RS410 -- a reason", ["RS902"]),
        ("ignore RS420, RS420 -- a reason", []),
        ("ignored RS420 -- a reason", ["RS420"]),
    ],
)
def test_what_is_wrong_with_a_comment_is_found(words: str, codes: list[str]):
    assert [code for code, _ in left(f"a: 1 # rollstep: {words}\n", finding(1))] == codes


def test_no_comment_can_hide_what_is_wrong_with_comments():
    text = "# rollstep: ignore RS902 -- a reason\na: 1 # rollstep: ignore RS420 -- a reason\n"
    assert left(text) == [("RS902", 1), ("RS902", 2)]


def test_an_ignored_rule_that_was_not_looked_for_is_not_missed():
    text = "a: 1 # rollstep: ignore RS420 -- a reason\n"
    assert left(text, selection=Selection(ignore=("RS42",))) == []
    assert left(text, selection=Selection(select=("RS1", "RS9"))) == []
    assert left(text, selection=Selection(ignore=("RS902",))) == []


@pytest.mark.parametrize(
    ("select", "ignore", "code", "has"),
    [
        (("ALL",), (), "RS420", True),
        (("ALL",), ("ALL",), "RS420", False),
        (("ALL",), ("RS4",), "RS420", False),
        (("RS420",), ("RS4",), "RS420", True),
        (("RS4",), ("RS420",), "RS420", False),
        (("RS4",), ("RS4",), "RS420", False),
        (("RS",), ("RS4",), "RS301", True),
        (("RS3",), (), "RS420", False),
        ((), (), "RS420", False),
    ],
)
def test_the_longer_code_counts(select: tuple[str, ...], ignore: tuple[str, ...], code: str, has: bool):
    assert Selection(select, ignore).has(code) == has
