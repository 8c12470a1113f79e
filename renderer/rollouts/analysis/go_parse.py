"""Numbers and durations read as Go's ``strconv`` and ``time.ParseDuration`` read them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from renderer.kubernetes.times import UNITS
from renderer.rollouts.analysis.go_quote import quote

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+(_?[0-9]+)*\.?([0-9]+(_?[0-9]+)*)?|\.[0-9]+(_?[0-9]+)*)([eE][+-]?[0-9]+(_?[0-9]+)*)?")
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX](_?[0-9a-fA-F]+(_[0-9a-fA-F]+)*)?\.?([0-9a-fA-F]+(_[0-9a-fA-F]+)*)?[pP][+-]?[0-9]+"
)
_SPECIAL = re.compile(r"[+-]?(inf|infinity)|nan", re.IGNORECASE)


def parse_int(text: str) -> int:
    """Return a decimal ``int64``; raise ``ValueError`` with the message of ``strconv.ParseInt``."""
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    value = int(text) if len(text) < 100 else 2**64
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


def parse_float(text: str) -> float:
    """Return a ``float64``; raise ``ValueError`` with the message of ``strconv.ParseFloat``."""
    if _SPECIAL.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text) and re.search("[xX]_?[.]?[0-9a-fA-F]", text):
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range") from None
    if not _FLOAT.fullmatch(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    value = float(text.replace("_", ""))
    if math.isinf(value):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration; raise ``ValueError`` with the message of ``time.ParseDuration``."""
    rest = text[1:] if text[:1] in ("+", "-") and text else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total = 0
    while rest:
        number = re.match(r"[0-9]*(\.[0-9]*)?", rest)
        assert number is not None
        if number[0] in ("", "."):
            raise ValueError(f"time: invalid duration {quote(text)}")
        rest = rest[number.end() :]
        unit = re.match(r"[^.0-9]*", rest)
        assert unit is not None
        if not unit[0]:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit[0] not in UNITS:
            raise ValueError(f"time: unknown unit {quote(unit[0])} in duration {quote(text)}")
        rest = rest[unit.end() :]
        total += int(Decimal(number[0]) * UNITS[unit[0]])
        if total > 2**63 - (not text.startswith("-")):
            raise ValueError(f"time: invalid duration {quote(text)}")
    return -total if text.startswith("-") else total
