from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.yaml.documents import drop, item_text, put, split
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump

TEXT = """\
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


def test_a_stream_is_split_where_its_documents_begin() -> None:
    text = "# first\n---\na: 1\n---\n# none\n--- # second\nb: |\n  --- x\n...\n---\n\nc: 3"
    assert split(text) == ["# first\na: 1\n", "# none\n# second\nb: |\n  --- x\n", "c: 3\n"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n# nothing\n...\n"])
def test_a_stream_without_documents_has_no_pieces(text: str) -> None:
    assert split(text) == []


def test_pieces_end_as_their_lines_do() -> None:
    assert split("---\r\na: 1\r\n---\r\nb: 2") == ["a: 1\r\n", "b: 2\n"]


def test_directives_belong_to_no_document() -> None:
    assert split("%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\nb: 2\n") == ["a: 1\n", "b: 2\n"]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=9), min_size=1), max_size=4))
def test_the_pieces_of_a_stream_are_its_documents(values: list[dict[str, str]]) -> None:
    text = "".join(f"---\n{dump(item)}" for item in values)
    assert [value(piece) for piece in split(text)] == [document.value for document in load_documents(text, "")]


def test_a_new_field_goes_below_its_siblings_and_all_else_keeps_its_bytes() -> None:
    edited = put(TEXT, ("spec", "selector"), {"app": "web"})
    assert edited == TEXT.replace("  type: NodePort\n", "  type: NodePort\n  selector:\n    app: web\n")


def test_a_field_is_replaced_where_it_stands() -> None:
    assert put(TEXT, ("metadata", "labels"), {"c": ["d"]}) == TEXT.replace("labels: {a: b}", "labels:\n    c:\n    - d")


def test_windows_line_ends_are_kept() -> None:
    edited = put(TEXT.replace("\n", "\r\n"), ("spec", "selector"), {"app": "web"})
    assert edited.count("\r\n") == edited.count("\n")
    assert value(edited)["spec"]["selector"] == {"app": "web"}


def test_a_text_that_ends_without_a_newline_gets_one() -> None:
    assert put("a:\n  b: 1", ("a", "c"), 2) == "a:\n  b: 1\n  c: 2\n"


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
    assert gone in TEXT
    assert drop(TEXT, path) == TEXT.replace(gone, "")


def test_a_field_that_shares_its_line_goes_as_well() -> None:
    edited = drop(TEXT, ("spec", "ports", 0, "nodePort"))
    expected = value(TEXT)
    del expected["spec"]["ports"][0]["nodePort"]
    assert value(edited) == expected
    assert "# fixed" in edited


def test_a_change_that_an_alias_would_spread_is_made_with_the_values_alone() -> None:
    text = "a: &x\n  b: 1\n  c: 2\nd: *x\n"
    assert value(drop(text, ("a", "b"))) == {"a": {"c": 2}, "d": {"b": 1, "c": 2}}


def test_a_field_that_is_not_there_cannot_be_dropped() -> None:
    with pytest.raises(KeyError):
        drop(TEXT, ("spec", "selector"))


def test_an_item_of_a_list_becomes_a_text_of_its_own() -> None:
    text = "items:\n- a: 1 # one\n  # two\n  b: |\n    x\n\n    y\n- c: 3\n"
    assert item_text(text, ("items", 0)) == "a: 1 # one\n# two\nb: |\n  x\n\n  y\n"
    assert item_text(text, ("items", 1)) == "c: 3\n"
    assert item_text("items: [{a: 1}]\n", ("items", 0)) is None


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
    assert value(put(dump(body), (outer, inner), new)) == {**body, outer: {**body[outer], inner: new}}
    gone = data.draw(st.sampled_from(sorted(body[outer])))
    left = {key: item for key, item in body[outer].items() if key != gone}
    expected = {**body, outer: left} if left else {key: item for key, item in body.items() if key != outer}
    if expected:
        assert value(drop(dump(body), (outer, gone))) == expected
