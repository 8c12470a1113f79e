"""Scalars that YAML 1.1, as Kubernetes reads it, and YAML 1.2 read differently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.verbs.lint.yaml_text import core_scalar, scan_text


def found(text: str) -> list[str]:
    return [one.field for one in scan_text(text, "web.yaml")[1]]


@pytest.mark.parametrize(
    "scalar", ["yes", "No", "ON", "off", "y", "N", "010", "0755", "-017", "1_000", "0b11", "1_0.5", "+0x1F", "1__0"]
)
def test_a_difference_is_found_in_values_and_keys(scalar: str):
    assert found(f"a: {{b: {scalar}}}\n") == ["a.b"]
    assert found(f"a:\n  - {scalar}\n") == ["a[0]"]
    assert found(f"{scalar}: b\n") == [scalar]
    assert found(f'a: "{scalar}"\nb: !!str {scalar}\n') == []


SAME = (
    "true False ~ null 0 10 -3 0o17 0x1F 1e3 1.50 .5 1. web 1.2.3 1:20 2026-01-31 12:30:45 0.10 1Gi 100m 08080a nope "
    "yess +5 12e 1_a = <<"
)


@pytest.mark.parametrize("scalar", ["", *SAME.split()])
def test_what_both_read_alike_is_left_alone(scalar: str):
    assert found(f"a: {scalar}\n") == []


def test_a_value_that_an_alias_repeats_is_told_once():
    assert found("a: &a [yes]\nb: *a\nc: {<<: {d: off}}\n") == ["a[0]", "c.<<.d"]


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_what_json_has_is_read_alike(value: float | None):
    assert found(f"a: {json.dumps(value)}\n") == []


@pytest.mark.parametrize(
    ("scalar", "kubernetes", "other"),
    [
        ("yes", "true", 'the text "yes"'),
        ("010", "8", "10"),
        ("1_000", "1000", 'the text "1_000"'),
        ("off", "false", ""),
    ],
)
def test_both_values_are_told(scalar: str, kubernetes: str, other: str):
    (finding,) = scan_text(f"a: 1\nb: {scalar}\n", "web.yaml")[1]
    assert finding.message.startswith(f"{scalar} is {kubernetes} to Kubernetes, and {other}")
    assert (finding.line, finding.column, finding.code) == (2, 4, "RS010")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0o14", 12),
        ("0xC", 12),
        ("12", 12),
        ("-19", -19),
        ("+12e03", 12000),
        (".5", 0.5),
        ("0b1", "0b1"),
        ("1:20", "1:20"),
        ("True", True),
        ("yes", "yes"),
        ("NULL", None),
        ("", None),
        ("-0", 0),
        ("012", 12),
        ("1_0", "1_0"),
        ("0o9", "0o9"),
    ],
)
def test_the_core_schema_of_yaml_1_2(text: str, value: object):
    assert core_scalar(text) == value
    assert type(core_scalar(text)) is type(value)
