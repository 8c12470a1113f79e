"""Regular expressions in Go's syntax."""

from __future__ import annotations

import pytest

from renderer.rollouts.analysis.expr import ExpressionError
from renderer.rollouts.analysis.expr.regexp import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("^v[0-9]+$", "v12", "v12x"),
        ("a|b|", "", None),
        ("^(a|bc)+$", "abca", "abcb"),
        ("^a{2,3}$", "aaa", "aaaa"),
        ("^a{2}$", "aa", "a"),
        ("^a{2,}b?$", "aaaab", "ab"),
        ("a{,2}", "a{,2}", "aa"),
        (r"^\d\D\s\S\w\W$", "1a b_-", "1a b--"),
        (r"^[\d\-x-z[:upper:]]+$", "1-yA", "1-ya"),
        ("^[^a-c]+$", "xyz\n", "xaz"),
        ("^[]a]$", "]", "b"),
        ("a.c", "abc", "a\nc"),
        ("(?s)a.c", "a\nc", "ac"),
        ("(?i)^AbC$", "aBc", "abd"),
        ("(?i:a)b", "Ab", "AB"),
        ("^a$", "a", "a\n"),
        ("(?m)^b$", "a\nb\nc", "ab"),
        (r"\bweb\b", "the web is", "webs"),
        (r"\Aa\z", "a", "ba"),
        (r"^\Qa.b\E$", "a.b", "axb"),
        (r"^\x41\x{42}\103\.$", "ABC.", "ABCx"),
        ("(?P<name>x)(?<other>y)(?:z)", "xyz", "xyy"),
        ("^x*?y+?$", "xxyy", "xx"),
        ("é+", "éé", "e"),
        ("^(?i)[^k]$", "a", "K"),
    ],
)
def test_matches(pattern: str, matching: str, other: str | None) -> None:
    assert compile_pattern(pattern).search(matching)
    assert other is None or not compile_pattern(pattern).search(other)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a**", "invalid nested repetition operator: `**`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a(b", "missing closing ): `a(b`"),
        ("a)b", "unexpected ): `a)b`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        (r"\q", r"invalid escape sequence: `\q`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
    ],
)
def test_errors_are_those_of_go(pattern: str, message: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_pattern(pattern)
    assert str(raised.value) == f"error parsing regexp: {message}"


def test_a_match_takes_linear_time() -> None:
    assert not compile_pattern("^(a+)+$").search("a" * 2000 + "b")
