"""Quantities as Kubernetes writes them after reading (``resource.Quantity``).

Source: ``ParseQuantity`` and ``CanonicalizeBytes`` of k8s.io/apimachinery v0.34.1, the same in v0.29.3.
"""

from __future__ import annotations

import re
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import lru_cache

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in DECIMAL.items()}
BINARY_SUFFIX = {exponent: suffix for suffix, exponent in BINARY.items()}

NANO = -9
"""The power of ten of the smallest amount; smaller ones are rounded away from zero."""
LARGEST_BINARY = 2**63 - 1
"""The largest amount with a binary suffix."""
DECIMAL_DIGITS = 18
BINARY_DIGITS = 14
"""Numbers up to these lengths are read as an int64 and may keep their spelling; longer ones as a big decimal."""

_QUANTITY = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)", re.ASCII)
_EXACT = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
_SPACES = " \x85\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The spaces that Kubernetes trims; it refuses tabs and line ends, which JSON escapes."""


@lru_cache(maxsize=4096)
def canonical_quantity(text: str) -> str:
    """Return the quantity ``text`` as Kubernetes writes it after reading; raise ValueError for an invalid one.

    As in Kubernetes, a short number in canonical form keeps its spelling (``1.500``, ``+5``).
    """
    text = text.strip(_SPACES)
    match = _QUANTITY.fullmatch(text) if text else None
    if match is None:
        raise ValueError("is not a number with an optional suffix such as 100m, 1.5, 512Mi or 2e3")
    negative, integer, fraction = match[1] == "-", match[2] or "0", match[3] or ""
    binary, exponent, scientific = _suffix(match[4])
    if binary:
        short = not fraction and len(integer) + exponent * 3 // 10 <= BINARY_DIGITS
        as_written = int(integer) % 8 != 0
    else:
        scale, digits = exponent - len(fraction), integer + fraction
        short = len(digits) <= DECIMAL_DIGITS and scale >= NANO
        as_written = scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    if short and as_written:
        return text
    if not short and not any(char.isdigit() for char in text[: match.start(4)]):
        raise ValueError("has no digits")
    amount, power = int(integer + fraction), -len(fraction)
    if binary:
        amount <<= exponent
    else:
        power += exponent
    if not amount:
        return "0"
    if power < NANO:
        amount, power = _round_up(amount, NANO - power), NANO
    return ("-" if negative else "") + _spelled(amount, power, binary, scientific)


def parse_quantity(text: str) -> Decimal:
    """Return the value of the quantity ``text``; raise ValueError for an invalid one."""
    match = _QUANTITY.fullmatch(canonical_quantity(text))
    assert match is not None, text
    binary, exponent, _ = _suffix(match[4])
    number = Decimal(f"{match[1]}{match[2] or '0'}.{match[3] or '0'}")
    return _EXACT.multiply(number, 2**exponent) if binary else number.scaleb(exponent, _EXACT)


def _suffix(suffix: str) -> tuple[bool, int, bool]:
    """Return (is binary, exponent, is written as ``e5``); raise ValueError for an unknown suffix."""
    if suffix in DECIMAL:
        return False, DECIMAL[suffix], False
    if suffix in BINARY:
        return True, BINARY[suffix], False
    match = _EXPONENT.fullmatch(suffix)
    if match is None or not -(2**63) <= int(match[1]) < 2**63:
        raise ValueError(f"has the unknown suffix {suffix}")
    # Kubernetes truncates the exponent to 32 bits.
    return False, (int(match[1]) + 2**31) % 2**32 - 2**31, True


def _round_up(amount: int, digits: int) -> int:
    """Return ``amount`` without its last ``digits`` digits, rounded up."""
    if digits > len(str(amount)):
        return 1
    unit: int = 10**digits
    return -(-amount // unit)


def _spelled(amount: int, power: int, binary: bool, scientific: bool) -> str:
    """Return ``amount * 10**power``, above zero, with the largest suffix that leaves a whole number."""
    if binary:
        whole, rest = divmod(amount, 10**-power)
        if whole > LARGEST_BINARY or (whole == LARGEST_BINARY and rest):
            whole, rest = LARGEST_BINARY, 0
        if not rest and whole >= 1024:
            exponent = 0
            while whole % 1024 == 0:
                whole, exponent = whole // 1024, exponent + 10
            return f"{whole}{BINARY_SUFFIX.get(exponent, '')}"
    digits = str(amount)
    bare = digits.rstrip("0")
    power += len(digits) - len(bare)
    bare += "0" * (power % 3)
    power -= power % 3
    if scientific:
        return f"{bare}e{power}" if power else bare
    # Beyond E there is no suffix; Kubernetes writes none.
    return bare + DECIMAL_SUFFIX.get(power, "")
