from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.rollouts.pod_template.go_json import Mismatch, encoder
from renderer.rollouts.pod_template.quantity import BINARY, DECIMAL, canonical_quantity

DATA = Path(__file__).parents[2] / "data" / "hash" / "quantities.jsonl"


def test_every_quantity_is_written_as_by_kubernetes() -> None:
    write = encoder("1.9", "!api/resource.Quantity")
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) > 2000
    assert sum(expected is None for _, expected in rows) > 20
    different = []
    for value, expected in rows:
        try:
            made = json.loads(write(value))
        except Mismatch:
            made = None
        if made != expected:
            different.append((value, expected, made))
    assert different == []


@given(st.integers(-(10**17), 10**17), st.sampled_from([*DECIMAL, *BINARY]))
def test_what_is_canonical_stays(number: int, suffix: str) -> None:
    once = canonical_quantity(f"{number}{suffix}")
    assert canonical_quantity(once) == once


@given(st.integers(1, 10**9), st.sampled_from(["k", "M", "G"]))
def test_a_suffix_is_a_factor(number: int, suffix: str) -> None:
    spelled_out = canonical_quantity(str(number * 10 ** DECIMAL[suffix]) + ".0")
    assert spelled_out == canonical_quantity(f"{number}.0{suffix}")


def made_of(text: str) -> str | None:
    try:
        return canonical_quantity(text)
    except ValueError:
        return None


@given(st.text(st.sampled_from("0159.+-eEmkMGi "), max_size=8))
def test_any_text_is_a_quantity_that_is_read_again_or_refused(text: str) -> None:
    once = made_of(text)
    assert once is None or made_of(once) is not None


@pytest.mark.parametrize("text", ["", "x", "1x", "1.2.3", "1 Gi", "1Kii", "\t5m\n", "０"])
def test_an_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|suffix"):
        canonical_quantity(text)


def test_a_huge_exponent_takes_no_time_and_no_memory() -> None:
    assert canonical_quantity("1e-2147483000") == "1e-9"
    assert canonical_quantity("1e2147483001") == "1e2147483001"
