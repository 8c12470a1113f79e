"""Texts that wait come back as they were, whether they are few or too many for the memory."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.pipeline.write import spool
from renderer.pipeline.write.spool import Spool


@given(st.lists(st.binary(max_size=40)))
def test_what_is_kept_comes_back(texts: list[bytes]) -> None:
    kept = Spool()
    places = [kept.add(text) for text in texts]
    assert [kept.read(place) for place in reversed(places)] == list(reversed(texts))
    assert [place.digest for place in places] == [hashlib.sha256(text).hexdigest() for text in texts]


def test_more_than_the_memory_is_to_hold_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 100)
    texts = [bytes([number]) * 60 for number in range(5)]
    kept = Spool()
    places = [kept.add(texts[0])]
    assert kept.read(places[0]) == texts[0]
    places += [kept.add(text) for text in texts[1:]]
    assert [kept.read(place) for place in places] == texts
    last = kept.add(b"more")
    assert kept.read(places[2]) == texts[2]
    assert kept.read(last) == b"more"
