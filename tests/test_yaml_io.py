"""What Kubernetes reads is what we read, and what we write reads back as the same value everywhere."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from renderer.errors import RollstepError
from renderer.yaml_io import decode, dump, load_documents, load_json_lines


def load_one(text: str) -> object:
    (document,) = load_documents(text, "x.yaml")
    return document.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("n", False),
        ("yEs", "yEs"),
        ("0x1F", 31),
        ("017", 15),
        ("0o17", 15),
        ("0b11", 3),
        ("1_000", 1000),
        ("08", 8),
        ("1e3", 1000),
        ("1.0", 1),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("1e400", "1e400"),
        ("+1", 1),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("~", None),
        ('"yes"', "yes"),
        ("!!str 1", "1"),
        ("!!float 1", 1),
        ("!!binary aGk=", "hi"),
        ("9223372036854775808", 9223372036854775808),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709552000),
        ("+9223372036854775808", 9223372036854776000),
        ("-9223372036854775808", -9223372036854775808),
        ("-9223372036854775809", -9223372036854776000),
        ("9007199254740993.0", 9007199254740992),
        ("1" * 5000, "1" * 5000),
        (".1_0", 0.1),
        ("._1", "._1"),
        ("! 1", "1"),
        ("&a ! 1", "1"),
        ("! &a yes", "yes"),
        ('! "1"', "1"),
        ("[! 1, 1]", ["1", 1]),
    ],
)
def test_scalars_are_what_kubernetes_reads(text: str, value: object):
    assert load_one(f"a: {text}") == {"a": value}
    assert type(load_one(f"a: {text}")["a"]) is type(value)  # type: ignore[index]


def test_a_bare_tag_makes_text_wherever_it_stands():
    assert load_one('! 1: "! 2"\nb: 2 # ! 3\nc: |\n  ! 4\nd: !\n  5\n') == {
        "1": "! 2",
        "b": 2,
        "c": "! 4\n",
        "d": "5",
    }


def test_keys_are_strings():
    assert load_one("1: a\ntrue: b\n1.5: c") == {"1": "a", "true": "b", "1.5": "c"}


def test_merge_keys_and_aliases():
    text = "base: &b {x: 1, z: 2}\nlist: &l [1]\nmade:\n  <<: *b\n  z: 3\nagain: *l\n"
    assert load_one(text) == {"base": {"x": 1, "z": 2}, "list": [1], "made": {"x": 1, "z": 3}, "again": [1]}


def test_documents_and_positions():
    first, second = load_documents(
        "---\na: 1\n---\n\n---\nspec:\n  steps:\n  - setWeight: 5\n  - pause: {}\n", "f.yaml"
    )
    assert first.value == {"a": 1}
    assert second.source.position(("spec", "steps", 1, "pause")) == (9, 5)
    assert second.source.position(("spec", "steps", 0, "no", "such")) == (8, 5)
    assert (("spec", "steps", 7) in second.source.positions) is False


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: }", "not YAML", 2),
        ("a: 1\nb: 2\na: 3", "stands twice", 3),
        ("a: !mine 1", "tag !mine", 1),
        ("a: .inf", "JSON", 1),
        ("a: !!int x", "as a int", 1),
        ("? [a]\n: b", "key must be a string", 1),
        ("a: *nowhere", "not YAML", 1),
    ],
)
def test_refusals_name_the_place(text: str, message: str, line: int):
    with pytest.raises(RollstepError, match=message.replace("[", r"\[")) as caught:
        load_documents(text, "bad.yaml")
    assert caught.value.findings[0].file == "bad.yaml"
    assert caught.value.findings[0].line == line


def test_all_findings_at_once():
    with pytest.raises(RollstepError) as caught:
        load_documents("a: 1\na: 2\n---\nb: .nan\n", "bad.yaml")
    assert [finding.line for finding in caught.value.findings] == [2, 4]


def test_an_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(RollstepError, match="too large"):
        load_documents("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize("depth", [500, 100_000])
def test_deep_nesting_is_refused(depth: int):
    with pytest.raises(RollstepError):
        load_documents("[" * depth + "]" * depth, "deep.yaml")


def test_bytes_that_are_no_text():
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"
    with pytest.raises(RollstepError, match="f:2: byte 0xff is not UTF-8"):
        decode(b"a: 1\nb: \xff", "f")
    with pytest.raises(RollstepError, match="f:1: NUL"):
        decode(b"a\0b", "f")


def test_json_lines():
    first, second = load_json_lines('{"a": 1}\n\n[2]\n', "f.jsonl")
    assert (first.value, second.value) == ({"a": 1}, [2])
    assert second.source.position(("x",)) == (3, 1)
    with pytest.raises(RollstepError) as caught:
        load_json_lines("{\n1\n}", "f.jsonl")
    assert [finding.line for finding in caught.value.findings] == [1, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "no", "b": "1e3", "c": 0x1, "d": "~", "e": "012"}, 'a: "no"\nb: "1e3"\nc: 1\nd: "~"\ne: "012"\n'),
        ({"a": [{"b": [], "c": {}}, ["x"]], "d": None}, "a:\n- b: []\n  c: {}\n- - x\nd: null\n"),
        ({"a": "one\ntwo\n", "b": "one\n\ntwo"}, "a: |\n  one\n  two\nb: |-\n  one\n\n  two\n"),
        ({"a": "x\n\n"}, "a: |+\n  x\n\n"),
        ({"a": "gut 🎉: ja"}, 'a: "gut 🎉: ja"\n'),
        ({"a": "🎉"}, "a: 🎉\n"),
        ({"hash": "776569cbc6", "ip": "10.0.0.1", "image": "a/b:1@sha256:0"}, None),
    ],
)
def test_the_layout(value: object, text: str | None):
    assert dump(value) == text if text else '"' not in dump(value)


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(
    r"[-+]?[0-9_.:eExXob]{1,6}|[yYnN~=<]{1,2}|(true|No|ON|null)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[ \n\t#:'\"x-]{1,6}",
    fullmatch=True,
)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


def as_json(value: object) -> object:
    """Whole floats are integers in JSON, with as many digits as tell them from other floats."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(Decimal(repr(value)))
    return value


@given(values)
def test_what_is_written_reads_back(value: object):
    text = dump({"v": value})
    assert load_one(text) == as_json({"v": value})


@given(texts)
def test_strings_are_strings_to_other_readers(text: str):
    written = dump({"v": text, text: 1})
    for read in (yaml.safe_load(written), YAML(typ="safe", pure=True).load(written)):
        assert read["v"] == text
        assert read[text] == 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_floats_to_other_readers(value: float):
    read = yaml.safe_load(dump({"v": value}))["v"]
    assert read == value
    assert isinstance(read, float)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_json_lacks_is_not_written(value: float):
    with pytest.raises(ValueError, match="JSON"):
        dump({"v": value})
