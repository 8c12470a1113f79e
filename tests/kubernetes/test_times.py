"""Durations: kubectl's by ``HumanDuration`` of apimachinery v0.34, Go's by ``time.ParseDuration``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.times import human_duration, parse_duration

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 1, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + MINUTE, "3h1m"),
        (8 * HOUR - 1, "7h59m"),
        (8 * HOUR + MINUTE, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + HOUR, "2d1h"),
        (8 * DAY - 1, "7d23h"),
        (8 * DAY + HOUR, "8d"),
        (730 * DAY - 1, "729d"),
        (730 * DAY, "2y"),
        (731 * DAY, "2y1d"),
        (8 * 365 * DAY - 1, "7y364d"),
        (8 * 365 * DAY + DAY, "8y"),
    ],
)
def test_the_thresholds_are_kubectls(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.integers(0, 20 * 365 * DAY))
def test_what_is_shown_is_not_more_and_not_much_less(seconds: int) -> None:
    units = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "y": 365 * DAY}
    shown, digits = 0, ""
    for character in human_duration(seconds):
        if character.isdigit():
            digits += character
        else:
            shown, digits = shown + int(digits) * units[character], ""
    assert 0 <= seconds - shown <= seconds / 8


@pytest.mark.parametrize(
    ("text", "seconds", "with_days"),
    [
        ("90", 90, 90),
        ("1m30s", 90, 90),
        ("1.5h", 5400, 5400),
        ("-5s", -5, -5),
        ("2d", -1, 2 * DAY),
        ("1d12h", -1, 36 * HOUR),
        ("2w", -1, -1),
        ("d", -1, -1),
        ("", -1, -1),
    ],
)
def test_only_where_it_is_asked_for_a_duration_has_days(text: str, seconds: int, with_days: int) -> None:
    assert parse_duration(text) == seconds
    assert parse_duration(text, days=True) == with_days
