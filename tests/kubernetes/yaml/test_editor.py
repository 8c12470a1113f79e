"""An edit changes its field and no other byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.kubernetes.yaml.editor import REMOVED, drop, edit, put_block
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump

TEXT = """\
# a release
kind: Rollout   # x
spec:
    replicas:   3 # three
    template:
      containers:
        - name: main
          image: "a:1"   # img
          args: [ {name: A, value: b} ]
        - {name: b, image: c}
---
---
kind: Service
text: |
  one
"""


def test_scalars_are_replaced_where_they_stand():
    changes = {
        ("spec", "replicas"): 5,
        ("spec", "template", "containers", 0, "image"): "b: {2}",
        ("spec", "template", "containers", 1, "image"): "x,y",
    }
    edited = edit(TEXT, 0, changes, "f.yaml")
    assert edited == TEXT.replace("  3 #", "  5 #").replace('"a:1"', '"b: {2}"').replace("image: c", 'image: "x,y"')


def test_a_new_scalar_is_one_new_line():
    edited = edit(TEXT, 0, {("spec", "paused"): True}, "f.yaml")
    assert edited == TEXT.replace("    replicas:", "    paused: true\n    replicas:")
    assert edit(TEXT, 1, {("a",): 1}, "f.yaml") == TEXT.replace("kind: Service", "a: 1\nkind: Service")


def test_line_ends_are_kept():
    text = "# top\r\nspec:\r\n  replicas: 3\r\n  b: 1\r\n"
    assert edit(text, 0, {("spec", "paused"): True}, "f") == text.replace("  rep", "  paused: true\r\n  rep")
    assert edit(text, 0, {("spec", "b"): {"c": [1]}}, "f") == text.replace("b: 1", "b:\r\n    c:\r\n    - 1")
    assert edit(text, 0, {("spec", "b"): REMOVED}, "f") == text.replace("  b: 1\r\n", "")


def test_line_ends_are_kept_where_all_is_written_anew():
    text = "# top\r\n? a\r\n: 1\r\nb: 2\r\n"
    assert edit(text, 0, {("a",): REMOVED}, "f") == "# top\r\nb: 2\r\n"


WIDE = """\
# a release
spec:
    # how many
    replicas: 3  # three
    paused:   # later
    strategy:
        canary:
            steps:  # of the canary
            - setWeight: 20
              # the second part
              pause: {}
            - pause: {duration: 1h}   # wait
            # the end
            maxSurge: 1
    list: [a, b]  # short
    note: |-
        # no comment

        text
    # about the last
    last: "x"
"""


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({("spec", "replicas"): REMOVED}, "    replicas: 3  # three\n", ""),
        ({("spec", "last"): REMOVED}, '    last: "x"\n', ""),
        ({("spec", "note"): REMOVED}, "    note: |-\n        # no comment\n\n        text\n", ""),
        ({("spec", "paused"): True}, "paused:   #", "paused: true   #"),
        ({("spec", "paused"): {"a": 1}}, "paused:   # later\n", "paused:   # later\n        a: 1\n"),
        ({("spec", "paused", "a", "b"): 1}, "# later\n", "# later\n        a:\n            b: 1\n"),
        ({("spec", "new"): [{"a": 1, "b": [2]}]}, "    # how", "    new:\n    - a: 1\n      b:\n      - 2\n    # how"),
        ({("spec", "new", "a"): {"b": 1}}, "    # how", "    new:\n        a:\n            b: 1\n    # how"),
        ({("spec", "a"): 1, ("spec", "b"): 2}, "    # how", "    a: 1\n    b: 2\n    # how"),
        ({("spec", "last"): 'it\'s "y"'}, '"x"', '"it\'s \\"y\\""'),
        ({("spec", "last"): [1]}, 'last: "x"', "last:\n    - 1"),
        ({("spec", "list"): ["c"]}, "[a, b]", "[c]"),
        ({("spec", "list"): []}, "[a, b]", "[]"),
        ({("spec", "list"): "none"}, "[a, b]", "none"),
        ({("spec", "list"): {"a": "x, y"}}, "[a, b]", '{a: "x, y"}'),
        ({("spec", "list"): ["c" * 99, "d"]}, "list: [a, b]  # short", f"list:  # short\n    - {'c' * 99}\n    - d"),
        ({("spec", "note"): "one"}, "|-\n        # no comment\n\n        text", "one"),
        ({("spec", "note"): ["one"]}, "note: |-\n        # no comment\n\n        text", "note:\n    - one"),
        (
            {("spec", "strategy", "canary", "steps", 0, "pause", "duration"): "2h"},
            "pause: {}",
            "pause: {duration: 2h}",
        ),
        (
            {("spec", "strategy", "canary", "steps", 0, "pause"): {"duration": 5}},
            "pause: {}",
            "pause:\n                  duration: 5",
        ),
        ({("spec", "strategy", "canary", "steps", 1, "pause", "x"): None}, "{duration", "{x: null, duration"),
        ({("spec", "strategy", "canary", "steps", 1, "pause", "duration"): REMOVED}, "{duration: 1h}", "{}"),
        (
            {("spec", "strategy", "canary", "steps", 1): {"a": 1, "b": 2}},
            "pause: {duration: 1h}   # wait",
            "a: 1\n              b: 2",
        ),
        ({("spec", "strategy", "canary", "steps", 0, "setWeight"): REMOVED}, " setWeight: 20", ""),
        (
            {("spec", "strategy", "canary", "steps", 0, "pause"): REMOVED},
            "              # the second part\n              pause: {}\n",
            "              # the second part\n",
        ),
        (
            {("spec", "strategy", "canary", "steps"): [{"setWeight": 5}]},
            WIDE[WIDE.index("setWeight") : WIDE.index("            # the end")],
            "setWeight: 5\n",
        ),
        (
            {("spec", "strategy", "canary", "steps"): []},
            WIDE[WIDE.index("steps:") : WIDE.index("            # the end")],
            "steps: []  # of the canary\n",
        ),
        (
            {("spec", "strategy"): {"blueGreen": {"activeService": "a"}}},
            WIDE[WIDE.index("        canary") : WIDE.index("    list")],
            "        blueGreen:\n            activeService: a\n",
        ),
        (
            {("spec", "strategy", "canary"): REMOVED},
            WIDE[WIDE.index("    strategy") : WIDE.index("    list")],
            "    strategy: {}\n",
        ),
        ({("spec",): REMOVED}, WIDE[WIDE.index("spec") :], "{}\n"),
    ],
)
def test_an_edit_changes_its_own_lines(changes: dict[tuple[str | int, ...], object], old: str, new: str):
    assert WIDE.count(old) == 1
    assert edit(WIDE, 0, changes, "f") == WIDE.replace(old, new)
    crlf = edit(WIDE.replace("\n", "\r\n"), 0, changes, "f")
    assert crlf == WIDE.replace(old, new).replace("\n", "\r\n")
    without_end = edit(WIDE.removesuffix("\n"), 0, changes, "f")
    assert without_end.rstrip("\n") == WIDE.replace(old, new).rstrip("\n")


@pytest.mark.parametrize(
    ("text", "changes", "edited"),
    [
        ("a:\n  - b\n", {("c",): ["d"]}, "c:\n  - d\na:\n  - b\n"),
        ("a:\n  - b\nc:\n", {("c",): ["d"]}, "a:\n  - b\nc:\n  - d\n"),
        ("- a: 1\n  b: 2\n", {(0, "a"): REMOVED}, "- b: 2\n"),
        ("- a: 1\n", {(0, "a"): REMOVED}, "- {}\n"),
        ("- a: 1 # x\n- b\n", {(0,): "z", (1,): {"c": [1]}}, "- z\n- c:\n  - 1\n"),
        ("-\n- b\n", {(0,): "z"}, "- z\n- b\n"),
        ("{a: 1, b: 2, c: 3}", {("b",): REMOVED, ("c",): REMOVED}, "{a: 1}"),
        ("{a: 1, b: 2}", {("a",): REMOVED, ("c",): {"d": ["e f"]}}, "{c: {d: [e f]}, b: 2}"),
        ("{a: , b: 2}", {("a",): 1}, "{a: 1 , b: 2}"),
        ("a: 1", {("b",): 2}, "b: 2\na: 1"),
        ("a: 1", {("a",): ["l\nm\n"]}, "a:\n- |\n  l\n  m\n"),
        (
            "a:\n  - \n",
            {("a", 0): {"b": [1], "c": ["l\nm\n"]}},
            "a:\n  - b:\n      - 1\n    c:\n      - |\n        l\n        m\n",
        ),
        ("a:\n- b\n- \nc: 1\n", {("a",): ["l\n\nm"]}, "a:\n- |-\n  l\n\n  m\nc: 1\n"),
        ("# x\n~\n---\na: 1\n---\nb: 2\n", {("a",): 2}, "# x\n~\n---\na: 2\n---\nb: 2\n"),
        ("a: 1\n---\nb: 2\n", {("a",): REMOVED}, "{}\n---\nb: 2\n"),
        ("a:\n  b: 1\n# x\n---\nb: 2\n", {("a", "b"): REMOVED}, "a: {}\n# x\n---\nb: 2\n"),
        ("a: 😀 # 😀\nb: 'x'\n", {("b",): "y'"}, "a: 😀 # 😀\nb: 'y''" + "'\n"),
        ("\ufeffa: 1\n", {("a",): 2}, "\ufeffa: 2\n"),
        ("on: 1\n012: {}\n", {("true",): 2, ("10", "x"): 3}, "on: 2\n012: {x: 3}\n"),
        ("a: one\n  two\nb: 1\n", {("a",): "x"}, "a: x\nb: 1\n"),
        ("a: &x 1\nb: 2\n", {("a",): 3}, "a: 3\nb: 2\n"),
        ("a: &x 1\nb: *x\n", {("b",): 3}, "a: &x 1\nb: 3\n"),
        ("a: &x {i: 1}\nb: *x # c\nc: 1\n", {("b",): REMOVED}, "a: &x {i: 1}\nc: 1\n"),
        ("a: &x {i: 1}\nb:\n  <<: *x\n", {("b", "i"): 2}, "a: &x {i: 1}\nb:\n  <<: *x\n  i: 2\n"),
        (
            "a: &x {i: 1}\nb:\n  <<: *x\n  # d\n  d: 1\n",
            {("b", "i"): 2},
            "a: &x {i: 1}\nb:\n  <<: *x\n  i: 2\n  # d\n  d: 1\n",
        ),
        ("a: &x {i: 1}\nb: {<<: *x, d: 1}\n", {("b", "i"): 2}, "a: &x {i: 1}\nb: {<<: *x, i: 2, d: 1}\n"),
        ("a:\n  b: |+\n    x\n\n\nc: 1\n", {("a", "b"): REMOVED}, "a: {}\n\n\nc: 1\n"),
        ("a:\n- 'b\n  # c'\nd: 1\n", {("a",): REMOVED}, "d: 1\n"),
        ("a: 1\nb: x\n", {("b",): "one\ntwo"}, 'a: 1\nb: "one\\ntwo"\n'),
    ],
)
def test_texts_that_are_edited_in_place(text: str, changes: dict[tuple[str | int, ...], object], edited: str):
    index = len(load_documents(text, "f")) - 2 if "\n---\nb" in text else 0
    assert edit(text, index, changes, "f") == edited


JSON = """\
{
    "a": {
        "b": 1,
        "c": "\\ud83d\\ude00"
    },
    "d": [],
    "e": {}
}
"""


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({("a", "b"): "x, y"}, "1,", '"x, y",'),
        ({("a", "c"): "ü"}, '"\\ud83d\\ude00"', '"ü"'),
        (
            {("a", "n"): {"x": [1]}},
            '"b"',
            '"n": {\n            "x": [\n                1\n            ]\n        },\n        "b"',
        ),
        ({("f",): True, ("g",): None}, '    "a"', '    "f": true,\n    "g": null,\n    "a"'),
        ({("e", "x"): 1.5}, "{}", '{"x": 1.5}'),
        ({("d",): ["x"]}, "[]", '["x"]'),
        ({("a", "c"): REMOVED}, ',\n        "c": "\\ud83d\\ude00"', ""),
        ({("a", "b"): REMOVED}, '"b": 1,\n        ', ""),
        ({("a",): {"x": 1}}, JSON[JSON.index('{\n        "b') : JSON.index(',\n    "d"')], '{\n        "x": 1\n    }'),
    ],
)
def test_json_stays_json(changes: dict[tuple[str | int, ...], object], old: str, new: str):
    assert JSON.count(old) == 1
    edited = edit(JSON, 0, changes, "f.json")
    assert edited == JSON.replace(old, new)
    assert json.loads(edited)


def test_json_that_is_no_yaml_is_written_anew_as_json():
    text = json.dumps({"k" * 1100: {"a": 1}, "b": 2}, indent=4) + "\n"
    edited = edit(text, 0, {("k" * 1100, "a"): 2}, "f.json")
    assert edited == text.replace('"a": 1', '"a": 2')


def test_what_goes_round_keeps_comments_and_quotes():
    text = "# x\n? a # y\n: 'b'\nc: \"d\"\n"
    edited = edit(text, 0, {("a",): REMOVED}, "f.yaml")
    assert edited == '# x\nc: "d"\n'


def test_what_goes_round_is_quoted_for_all_readers():
    edited = edit("? a\n: 1\n", 0, {("a",): {"on": ["yes", "x", "l\nm\n", {"1": None}]}}, "f.yaml")
    assert load_documents(edited, "f")[0].value == {"a": {"on": ["yes", "x", "l\nm\n", {"1": None}]}}


def test_larger_changes_leave_the_rest():
    changes = {("spec", "template", "containers", 0, "args"): REMOVED, ("spec", "new"): {"a": [1]}}
    edited = edit(TEXT, 0, changes, "f.yaml")
    assert edited == TEXT.replace("          args: [ {name: A, value: b} ]\n", "").replace(
        "    replicas:", "    new:\n      a:\n        - 1\n    replicas:"
    )


def test_a_block_scalar_is_replaced_whole():
    assert edit(TEXT, 1, {("text",): "two"}, "f") == TEXT.replace("|\n  one", "two")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a: &x\n  image: one\nb: *x\n", ("b", "image"), "two"),
        ("a: &x\n  image: one\nb: *x\n", ("a", "image"), "two"),
        ("a: &x one\nb: *x\n", ("a",), "two"),
        ("a: [&x one, *x]\n", ("a", 1), "two"),
        ("a: &x {b: {c: 1, e: 1}}\nd:\n  <<: *x\n", ("d", "b", "c"), 2),
    ],
)
def test_what_an_alias_shares_is_not_changed_behind_its_back(text: str, path: tuple[str | int, ...], value: object):
    with pytest.raises(RollstepError, match=r"f\.yaml:\d+:\d+: .*: cannot be edited here: .*(anchor|alias)"):
        edit(text, 0, {path: value}, "f.yaml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("spec", "nope"), REMOVED, "f.yaml:3:1: spec.nope: is missing"),
        (("spec", "nope", "x"), REMOVED, "spec.nope.x: is missing"),
        (("spec", "template", "containers", 7, "image"), "x", r"containers\[7\].image: .*has 2 items"),
        (("spec", "template", "containers", 2), "x", r"containers\[2\]: .*has 2 items"),
        (("spec", "template", "containers", "x"), "x", "containers.x: .*is a list"),
        (("spec", "replicas", "x"), "x", "spec.replicas.x: .*is not a mapping"),
        (("kind", 0), "x", r"kind\[0\]: .*is not a mapping"),
    ],
)
def test_places_that_are_not_there_are_refused(path: tuple[str | int, ...], value: object, message: str):
    with pytest.raises(RollstepError, match=message):
        edit(TEXT, 0, {path: value}, "f.yaml")


def test_documents_that_are_not_there_are_refused():
    for index in (2, -1):
        with pytest.raises(RollstepError, match="has 2 documents"):
            edit(TEXT, index, {("kind",): "x"}, "f.yaml")


def test_all_places_that_are_not_there_are_named():
    with pytest.raises(RollstepError) as caught:
        edit(TEXT, 0, {("x",): REMOVED, ("kind",): 1, ("y",): REMOVED}, "f.yaml")
    assert [finding.field for finding in caught.value.findings] == ["x", "y"]


names = st.sampled_from(["a", "b", "on", "x y", "12", "k: v", "- #"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "x", "1", "a\nb\n", "# c", "'", '"', "é", "a,b"])
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=10
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [path, *(place for key, item in value.items() for place in places(item, (*path, key)))]
    if isinstance(value, list):
        return [path, *(place for index, item in enumerate(value) for place in places(item, (*path, index)))]
    return [path]


@given(st.dictionaries(names, values, min_size=1, max_size=3), values | st.just(REMOVED), st.data())
def test_any_edit_reads_as_the_change(before: dict[str, object], value: object, data: st.DataObject):
    style = data.draw(st.sampled_from(["block", "json", "pretty"]))
    text = dump(before) if style == "block" else json.dumps(before, indent=2 if style == "pretty" else None)
    path = data.draw(st.sampled_from(places(before)[1:]))
    wanted = json.loads(json.dumps(before))
    parent = wanted
    for part in path[:-1]:
        parent = parent[part]
    if value is REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    edited = edit(text, 0, {path: value}, "f")
    assert load_documents(edited, "f")[0].value == wanted
    if style != "block":
        assert json.loads(edited) == wanted


SERVICE = """\
# what it is
kind: Service # of all
metadata:
  name: web

  labels: {a: b}
# about the spec
spec:
  ports:
  - nodePort: 30080
    port: 80
  - port: 81
    nodePort: 30081 # fixed
  type: NodePort

  # the last words
"""


def value(text: str) -> Any:
    (document,) = load_documents(text, "text.yaml")
    return document.value


def test_a_new_field_goes_below_its_siblings_and_all_else_keeps_its_bytes() -> None:
    edited = put_block(SERVICE, ("spec", "selector"), {"app": "web"})
    assert edited == SERVICE.replace("  type: NodePort\n", "  type: NodePort\n  selector:\n    app: web\n")


def test_a_field_is_replaced_where_it_stands() -> None:
    assert put_block(SERVICE, ("metadata", "labels"), {"c": ["d"]}) == SERVICE.replace(
        "labels: {a: b}", "labels:\n    c:\n    - d"
    )


def test_windows_line_ends_are_kept() -> None:
    edited = put_block(SERVICE.replace("\n", "\r\n"), ("spec", "selector"), {"app": "web"})
    assert edited.count("\r\n") == edited.count("\n")
    assert value(edited)["spec"]["selector"] == {"app": "web"}


def test_a_text_that_ends_without_a_newline_gets_one() -> None:
    assert put_block("a:\n  b: 1", ("a", "c"), 2) == "a:\n  b: 1\n  c: 2\n"


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("spec", "type"), "  type: NodePort\n"),
        (("spec", "ports", 1, "nodePort"), "    nodePort: 30081 # fixed\n"),
        (("kind",), "kind: Service # of all\n"),
        (("metadata", "labels", "a"), "  labels: {a: b}\n"),
    ],
)
def test_a_field_goes_with_its_line_alone(path: tuple[str | int, ...], gone: str) -> None:
    assert gone in SERVICE
    assert drop(SERVICE, path) == SERVICE.replace(gone, "")


def test_a_field_that_shares_its_line_goes_as_well() -> None:
    edited = drop(SERVICE, ("spec", "ports", 0, "nodePort"))
    expected = value(SERVICE)
    del expected["spec"]["ports"][0]["nodePort"]
    assert value(edited) == expected
    assert "# fixed" in edited


def test_a_change_that_an_alias_would_spread_is_made_with_the_values_alone() -> None:
    text = "a: &x\n  b: 1\n  c: 2\nd: *x\n"
    assert value(drop(text, ("a", "b"))) == {"a": {"c": 2}, "d": {"b": 1, "c": 2}}


def test_a_field_that_is_not_there_cannot_be_dropped() -> None:
    with pytest.raises(LookupError, match="is missing"):
        drop(SERVICE, ("spec", "selector"))


KEYS = st.sampled_from(["a", "b", "c", "no", "1"])
TREES = st.recursive(
    st.one_of(st.text(max_size=12), st.integers(-9, 9), st.booleans(), st.none()),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, TREES, min_size=1, max_size=3), min_size=1), st.data(), TREES)
def test_values_are_those_that_were_asked_for(body: dict[str, dict[str, Any]], data: st.DataObject, new: Any) -> None:
    outer = data.draw(st.sampled_from(sorted(body)))
    inner = data.draw(KEYS)
    assert value(put_block(dump(body), (outer, inner), new)) == {**body, outer: {**body[outer], inner: new}}
    gone = data.draw(st.sampled_from(sorted(body[outer])))
    left = {key: item for key, item in body[outer].items() if key != gone}
    expected = {**body, outer: left} if left else {key: item for key, item in body.items() if key != outer}
    if expected:
        assert value(drop(dump(body), (outer, gone))) == expected
