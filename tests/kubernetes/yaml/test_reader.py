"""rollstep reads as Kubernetes reads, and every reader takes its output for the same value."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from renderer.errors import RollstepError
from renderer.kubernetes.yaml.reader import MAX_FINDINGS, decode, load_documents, load_json_lines, read_text
from renderer.kubernetes.yaml.writer import dump


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


def test_a_key_after_the_merge_overrides_it():
    text = "x: &x {b: 1, d: 1}\ny: &y {b: 2, c: 2}\nz:\n  a: 0\n  <<: [*x, *y]\n  d: 3\n"
    assert load_one(text)["z"] == {"a": 0, "b": 1, "c": 2, "d": 3}  # type: ignore[index]


def test_collections_may_tell_what_they_are():
    assert load_one("a: !!map {b: !!seq [c]}\nd: ! {e: 1}") == {"a": {"b": ["c"]}, "d": {"e": 1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!foo 1", "1"),
        ("!<!mine> yes", "yes"),
        ("!!map 1", "1"),
        ("!!merge <<", "<<"),
        ("!foo {c: 1}", {"c": 1}),
        ("!!set {b, c}", {"b": None, "c": None}),
        ("!!omap [b: 1]", [{"b": 1}]),
        ("!!map [b]", ["b"]),
        ("!!seq {b: 1}", {"b": 1}),
        ("!!binary |\n  aG\n  k=", "hi"),
        ("!!float 0x10", 16),
        ("!!timestamp 2026-2-1 1:2:3.5", "2026-2-1 1:2:3.5"),
        ("!!timestamp 2028-02-29T01:02:03+24:60", "2028-02-29T01:02:03+24:60"),
    ],
)
def test_tags_are_what_kubernetes_makes_of_them(text: str, value: object):
    assert load_one(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    "text",
    [
        "!!int 1.0",
        "!!int 09",
        "!!float 18446744073709551615",
        "!!float x",
        "!!bool 1",
        "!!null x",
        "!!timestamp 2026-02-29",
        "!!timestamp 2026-13-01",
        "!!timestamp 2026-01-01T24:00:00Z",
        "!!timestamp 2026-01-01T00:00:00",
        "!!timestamp 2026-01-01 00:00:00Z",
        "!!timestamp yes",
        "!!binary a",
        "!!binary /w==",
    ],
)
def test_tags_that_do_not_fit_are_refused(text: str):
    with pytest.raises(RollstepError, match=r"cannot read|!!binary"):
        load_one(f"a: {text}")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("1.0", "1"),
        ("0x10", "16"),
        ("on", "true"),
        ("999999.0", "999999"),
        ("1e6", "1e+06"),
        ("16777217.0", "1.6777216e+07"),
        ("3535.5717", "3535.5718"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("-0.0", "-0"),
        ("1e300", ".inf"),
        ("-1e300", "-.inf"),
        (".nan", ".nan"),
        ("!!float 1", "1"),
        ("!foo 1.0", "1.0"),
        ("!!str 1.0", "1.0"),
    ],
)
def test_number_keys_are_written_as_single_floats(key: str, name: str):
    (document,) = load_documents(f"{key}: a", "f.yaml")
    assert document.value == {name: "a"}
    assert document.source.position((name,)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: 1\n--- b", "nothing but a comment after ---, found 'b'", (2, 1)),
        ("---#c: 1", "nothing but a comment after ---, found '#c: 1'", (1, 1)),
        ("--- |\n  a", "nothing but a comment after ---", (1, 1)),
        ("# c\n%YAML 1.2\n---\na: 1", "a file with a directive", (2, 1)),
        ("%TAG !e! x:\n---\na: 1", "a file with a directive", (1, 1)),
        ("a: 1\r---\rb: 1", "does not see this ---", (1, 6)),
        ("a: 1\n\ufeffb: 1", "a byte order mark within the text|is not YAML", (2, 1)),
        ('a: 1\nb: "\\n\\/"', r"the escape \\/ is not known", (2, 7)),
        ("a: [b?c]", r"takes \? for the start of a key", (1, 5)),
        ("a: {b: !!str c?}", r"takes \? for the start of a key", (1, 8)),
        ("a: &a [{b: 1}]\nc: {<<: *a}", "<< can merge mappings only", (1, 4)),
        ("18446744073709551615: a", "too large for a key", (1, 1)),
    ],
)
def test_what_kubectl_takes_apart_or_its_parser_does_not_know(text: str, message: str, place: tuple[int, int]):
    with pytest.raises(RollstepError, match=message) as caught:
        load_documents(text, "bad.yaml")
    assert (caught.value.findings[0].line, caught.value.findings[0].column) == place


@pytest.mark.parametrize(
    "text",
    [
        "--- # c\na: 1\n---   \nb: 1\r\n---\r\nc: 1",
        'a: "x\\\\/y"',
        "a: b/\\/c",
        "a: b?c",
        'a: ["b?c"]',
        "a: |\n  %x\n  --- y",
        "a: 1\n---\n\ufeffb: 1",
        "<<: [{a: 1}, {b: 1}]",
    ],
)
def test_what_looks_like_it_and_is_not(text: str):
    assert load_documents(text, "good.yaml")


def test_a_block_that_ends_the_file_ends_with_a_newline():
    assert load_one("a: |\n  b") == {"a": "b\n"}
    assert load_one("a: >\n  b") == {"a": "b\n"}
    assert load_one("a: |-\n  b") == {"a": "b"}


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
        ("a: .inf", "JSON", 1),
        ("a: !!int x", "as an int", 1),
        ("? [a]\n: b", "key must be a string", 1),
        ("a: *nowhere", "not YAML", 1),
        ("a: &x {b: 1}\nc:\n  b: 1\n  <<: *x", "c.b: the key 'b' stands before <<", 4),
        ("a: {<<: {b: 1}, <<: {c: 1}}", "'<<' stands twice", 1),
    ],
)
def test_refusals_name_the_place(text: str, message: str, line: int):
    with pytest.raises(RollstepError, match=message.replace("[", r"\[")) as caught:
        load_documents(text, "bad.yaml")
    assert caught.value.findings[0].file == "bad.yaml"
    assert caught.value.findings[0].line == line


@pytest.mark.parametrize("template", ["{{ x }}", "{{ .Values.x }}", "{{ x }}:{{ y }}", "1\n{% if x %}", "{{- x }}"])
def test_a_template_that_is_no_yaml_is_told_from_other_mistakes(template: str):
    with pytest.raises(RollstepError, match=r"\*\.yaml\.j2"):
        load_documents(f"a: 1\nb: {template}\n", "bad.yaml")


def test_only_what_looks_like_a_template_gets_the_hint():
    for text in ("? {a: 1}\n: b", "? [a]\n: b", "a: }", "# {{ x }}\na: }"):
        with pytest.raises(RollstepError) as caught:
            load_documents(text, "bad.yaml")
        assert caught.value.findings[0].hint == ""


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: ä\x01", (2, 5)),
        ("a: 1\r\nb: \x7f", (2, 4)),
        ("a: 😀\n---\n\x1b[0m: 1", (3, 1)),
        ("a: \ud800", (1, 4)),
    ],
)
def test_characters_that_yaml_does_not_have_are_placed(text: str, place: tuple[int, int]):
    with pytest.raises(RollstepError, match=r"character U\+[0-9A-F]{4} is not allowed") as caught:
        load_documents(text, "bad.yaml")
    (finding,) = caught.value.findings
    assert (finding.line, finding.column) == place


@pytest.mark.parametrize("text", ["a: &x [*x]", "a:\n- &x\n  b: *x\n", "a: &x\n  <<: *x\n  b: 1\n"])
def test_an_alias_within_itself_is_refused_in_few_words(text: str):
    with pytest.raises(RollstepError, match="an alias of itself") as caught:
        load_documents(text, "bad.yaml")
    assert len(str(caught.value)) < 200
    assert caught.value.findings[0].line


def test_the_places_of_fields_below_keys_that_are_no_strings():
    (document,) = load_documents("a: 1\non:\n  x: 1\n012: {~y: 2}\n1.0: 3\n'012': 4\n", "f.yaml")
    assert document.value == {"a": 1, "true": {"x": 1}, "10": {"~y": 2}, "1": 3, "012": 4}
    places = {path: document.source.position(path) for path in document.source.positions}
    assert places == {
        (): (1, 1),
        ("a",): (1, 1),
        ("true",): (2, 1),
        ("true", "x"): (3, 3),
        ("10",): (4, 1),
        ("10", "~y"): (4, 7),
        ("1",): (5, 1),
        ("012",): (6, 1),
    }


def test_all_findings_at_once():
    with pytest.raises(RollstepError) as caught:
        load_documents("a: 1\na: 2\n---\nb: .nan\n", "bad.yaml")
    assert [finding.line for finding in caught.value.findings] == [2, 4]


def test_an_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(RollstepError, match="too large"):
        load_documents("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize("depth", [201, 500, 100_000])
@pytest.mark.parametrize("start", ["", "a: 1\nb: "])
def test_deep_nesting_is_refused(depth: int, start: str):
    with pytest.raises(RollstepError, match="more than 200 levels deep") as caught:
        load_documents(start + "[" * depth + "]" * depth, "deep.yaml")
    assert caught.value.findings[0].line == start.count("\n") + 1
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("depth", [201, 30_000])
@pytest.mark.parametrize("level", ["- ", "? ", "[a: ", "{a: "])
@pytest.mark.parametrize("start", ["", "a: 1\n---\n", "\r", "\x85", "é\u2028---\u2028"])
def test_deep_nesting_is_refused_however_it_is_written(depth: int, level: str, start: str):
    with pytest.raises(RollstepError, match="more than 200 levels deep"):
        load_documents(start + level * depth, "deep.yaml")


def test_deep_indentation_is_refused():
    lines = [" " * level + "a:" for level in range(201)]
    with pytest.raises(RollstepError, match="more than 200 levels deep"):
        load_documents("\n".join(lines), "deep.yaml")


MANY = 140_000
"""Keys and values that any text may have."""


@pytest.mark.parametrize(
    "text", ["[" + "a," * MANY + "]", "- \n" * MANY, "{a: [" + "[]," * MANY + "]}", '["a"' + ",1" * MANY + "]"]
)
def test_too_many_small_values_are_refused(text: str):
    with pytest.raises(RollstepError, match=f"more than {MANY} keys and values") as caught:
        load_documents(text, "many.yaml")
    assert len(caught.value.findings) == 1


def test_a_key_counts_as_a_value_does():
    lines = [f"k{n}: {n}\n" for n in range(MANY // 2)]
    with pytest.raises(RollstepError, match="keys and values"):
        load_documents("".join(lines), "many.yaml")
    assert load_documents("".join(lines[:-1]), "many.yaml")


def test_lines_of_json_count_as_yaml_does():
    with pytest.raises(RollstepError, match=r"many\.jsonl:2: .*more than 140000 keys and values"):
        load_json_lines("{}\n[" + "1," * MANY + "1]\n", "many.jsonl")


def test_a_long_text_may_have_as_many_values_as_it_likes():
    lines = [f"- {{name: number-{n}, value: '{n:010}'}}\n" for n in range(50_000)]
    (document,) = load_documents("".join(lines), "long.yaml")
    assert len(document.value) == 50_000
    assert document.value == load_json_lines(json.dumps(document.value), "long.jsonl")[0].value


@pytest.mark.parametrize("text", ["- .nan\n" * 5000, "- {a: 1, a: 2}\n" * 5000, "---\n.nan\n" * 5000])
def test_no_more_than_a_thousand_findings_are_told_of_a_text(text: str):
    with pytest.raises(RollstepError) as caught:
        load_documents(text, "bad.yaml")
    assert len(caught.value.findings) == MAX_FINDINGS


def test_no_more_than_a_thousand_findings_are_told_of_lines_of_json():
    with pytest.raises(RollstepError) as caught:
        load_json_lines("{\n" * 5000, "bad.jsonl")
    assert len(caught.value.findings) == MAX_FINDINGS


def test_aliases_may_not_nest_deeper_than_text():
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {'[' * 60}*a{n - 1}{']' * 60}" for n in range(1, 5)]
    assert load_documents("\n".join(lines[:4]), "deep.yaml")
    with pytest.raises(RollstepError, match="more than 200 levels deep") as caught:
        load_documents("\n".join(lines), "deep.yaml")
    assert len(str(caught.value)) < 200


def test_200_levels_are_not_too_deep():
    assert load_documents("[" * 200 + "]" * 200, "deep.yaml")


def test_bytes_that_are_no_text():
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"
    with pytest.raises(RollstepError, match="f:2: byte 0xff is not UTF-8"):
        decode(b"a: 1\nb: \xff", "f")
    with pytest.raises(RollstepError, match="f:1: NUL"):
        decode(b"a\0b", "f")


def test_files_are_read_with_or_without_their_mark(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_text(path) == "a: 1\r\n"
    assert read_text(path, keep_mark=True) == "\ufeffa: 1\r\n"
    path.write_bytes(b"a: 1")
    assert read_text(path, keep_mark=True) == "a: 1"


def test_json_lines():
    first, second = load_json_lines('{"a": 1}\n\n[2.0, {"b": 1.5}]\n', "f.jsonl")
    assert (first.value, second.value) == ({"a": 1}, [2, {"b": 1.5}])
    assert type(second.value[0]) is int
    assert second.source.position(("x",)) == (3, 1)
    assert second.source.position((1, "b")) == (3, 8)
    with pytest.raises(RollstepError) as caught:
        load_json_lines("{\n1\n}", "f.jsonl")
    assert [finding.line for finding in caught.value.findings] == [1, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is not a number that JSON has"),
        ("[-Infinity]", "-Infinity is not a number that JSON has"),
        ("[1e400]", "1e400 is not a number that JSON has"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice"),
        ('["\\ud83d"]', "surrogate"),
        ('{"\\ude00\\ud83d": 1}', "surrogate"),
        ("[" * 201 + "]" * 201, "more than 200 levels deep"),
        ("[" * 5000 + "]" * 5000, "more than 200 levels deep"),
        ("{a: 1}", "Expecting property name"),
        ("1" * 5000, "JSON"),
    ],
)
def test_json_lines_that_are_refused(text: str, message: str):
    with pytest.raises(RollstepError, match=f"f.jsonl:2(:[0-9]+)?: is not JSON.*{message}"):
        load_json_lines(f"{{}}\n{text}\n", "f.jsonl")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ('\ufeff{"a":\t"\\/"}', {"a": "/"}),
        ('{"%s": 1}' % ("k" * 2000), {"k" * 2000: 1}),
        ('\r\n[1.0, 1e3, -0, 1.5, 18446744073709551616, "\x7f", "on", null]\n', None),
        ('{"<<": {"a": 1}}', {"<<": {"a": 1}}),
        ('{"a": 1}\n---\n', {"a": 1}),
        ("[" * 200 + "]" * 200, None),
    ],
)
def test_json_is_yaml(text: str, value: object):
    loaded = load_one(text)
    if value is not None:
        assert loaded == value
    elif "1.0" in text:
        assert loaded == [1, 1000, 0, 1.5, 18446744073709552000, "\x7f", "on", None]
        assert [type(item) for item in loaded[:4]] == [int, int, int, float]


def test_the_meaning_of_a_scalar_is_the_caller_s_in_json_too():
    (document,) = load_documents('{"a": 1e3, "b": 2}', "f", lambda text: f"<{text}>")
    assert document.value == {"a": "<1e3>", "b": "<2>"}


def test_the_places_of_json_are_those_of_yaml():
    text = '{\n  "a": {"b" : [1, {"c,": "{[\\"", "ü": []}, [[2]]],\r\n "": {}},\n\t"\\u0064":\n  "e:"}'
    (document,) = load_documents(text, "f.json")
    (composed,) = load_documents("---\n" + text, "f.json")
    assert composed.value == document.value == {"a": {"b": [1, {"c,": '{["', "ü": []}, [[2]]], "": {}}, "d": "e:"}
    positions = dict(document.source.positions)
    expected = {path: (line - 1, column) for path, (line, column) in composed.source.positions.items()}
    assert positions == expected
    assert document.source.position(("a", "b", 1, "ü", 0)) == (2, 34)


def test_json_that_is_refused_is_placed():
    with pytest.raises(RollstepError, match=r"a\.b: the key 'b' stands twice") as caught:
        load_documents('{"a": {\n"b": 1,\n"b": 2}}', "f.json")
    assert caught.value.findings[0].line == 3
    for text in ("[" * 201 + "]" * 201, '{"a": "\\ud83d"}', '["a",]]', '{"a": 1} {"b": 2}'):
        with pytest.raises(RollstepError) as caught:
            load_documents(text, "f.json")
        assert caught.value.findings[0].line == 1


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
    """Return ``value`` with whole floats as integers, with the shortest digits that identify them."""
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


@example({"-_0": "+_1"}, None, False)
@given(values, st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_yaml_is(value: object, indent: int | None, ascii_only: bool):
    text = json.dumps({"v": value}, indent=indent, ensure_ascii=ascii_only)
    (document,) = load_documents(text, "f")
    assert document.value == as_json({"v": value})
    (again,) = load_documents("---\n" + dump(document.value), "f")
    assert set(document.source.positions) == set(again.source.positions)


@pytest.mark.parametrize("text", ["1e_0", "1e+0_1", ".5e_1", "+_1e1", "1_e5", "1_.5e__3", "1:30.5e_1"])
def test_a_text_that_kubernetes_would_take_for_a_number_is_quoted(text: str):
    assert dump([text]) == f'- "{text}"\n'
    assert load_one(dump([text])) == [text]


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


def test_the_markers_of_a_conflict_are_told_as_such():
    text = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n"
    with pytest.raises(RollstepError) as error:
        load_documents(text, "web.yaml")
    (finding,) = error.value.findings
    assert (finding.line, finding.message) == (2, "is not YAML: git left the markers of a conflict here (<<<<<<< HEAD)")
    assert "`rollstep resolve`" in finding.hint
