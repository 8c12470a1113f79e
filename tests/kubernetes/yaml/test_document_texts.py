from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.yaml.document_texts import item_text, split
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump


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


def test_an_item_of_a_list_becomes_a_text_of_its_own() -> None:
    text = "items:\n- a: 1 # one\n  # two\n  b: |\n    x\n\n    y\n- c: 3\n"
    assert item_text(text, ("items", 0)) == "a: 1 # one\n# two\nb: |\n  x\n\n  y\n"
    assert item_text(text, ("items", 1)) == "c: 3\n"
    assert item_text("items: [{a: 1}]\n", ("items", 0)) is None
