"""The values of YAML scalars as Kubernetes reads them.

Kubernetes reads YAML with sigs.k8s.io/yaml v1.6 (``yaml.go``), which parses with go.yaml.in/yaml v2.4 (``resolve.go``)
and converts the result to JSON.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from calendar import monthrange

Scalar = str | int | float | bool | None

CORE = "tag:yaml.org,2002:"
"""The prefix of the tags ``!!str``, ``!!int`` and the like in their full form."""

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_INFINITE = {
    sign + word: -math.inf if sign == "-" else math.inf for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")
}
_NOT_FINITE: dict[str, float] = {**dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan), **_INFINITE}
_HINT = frozenset("0123456789+-.yYnNtTfFoO~")
_LETTERS = frozenset("yYnNtTfFoO~")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])_(?=[0-9])")
_TOO_MANY_DIGITS = 1000
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:([Tt ])([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(Z|[-+]([0-9]{2}):([0-9]{2}))?)?"
)


def plain_scalar(text: str) -> Scalar:
    """Return the value of an untagged plain scalar; raise ValueError for infinity and NaN, which JSON does not have."""
    if not text:
        return None
    if text[0] not in _HINT:
        return text
    value = _resolved(text)
    return _json_number(value) if type(value) is float else value


def tagged_scalar(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with an explicit tag; raise ValueError if Kubernetes would refuse it.

    A scalar with a tag that Kubernetes does not know is text.
    """
    value = _tagged(tag, text)
    return _json_number(value) if type(value) is float else value


def plain_key(text: str) -> str:
    """Return the text of an untagged plain key; raise ValueError for a value that cannot be a key."""
    return text if text and text[0] not in _HINT else _key_text(_resolved(text))


def tagged_key(tag: str, text: str) -> str:
    """Return the text of a key with an explicit tag; raise ValueError for a value that cannot be a key."""
    return _key_text(_tagged(tag, text))


def is_known_tag(tag: str) -> bool:
    """Return whether Kubernetes reads a scalar by this explicit tag; with any other tag a scalar is text."""
    return tag == "!" or tag.removeprefix(CORE) in (*_OF_TYPE, "str", "timestamp", "binary")


def is_null_word(text: str) -> bool:
    """Return whether an untagged plain scalar means null."""
    return text in _WORDS and _WORDS[text] is None


def _resolved(text: str) -> Scalar:
    """Return Go's value of an untagged scalar, which may be infinite and distinguishes 1 from 1.0."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _LETTERS:
        return text
    if text.isdecimal() and text[0] != "0" and len(text) < 19 and text.isascii():
        return int(text)  # the common case
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    # go-yaml drops every underscore of a number, but of one that begins with a point only those between digits.
    plain = _BETWEEN_DIGITS.sub("", text) if text[0] == "." else text.replace("_", "")
    match = _INT.fullmatch(plain)
    if match:
        sign, hexadecimal, binary, octal, decimal = match.groups()
        for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
            if digits is not None and len(digits) < _TOO_MANY_DIGITS:
                value = int(sign + digits, base)
                # Only a number without a sign may need all 64 bits.
                if -(2**63) <= value < (2**63 if sign else 2**64):
                    return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if not math.isinf(number):
            return number
    return text


_OF_TYPE: dict[str, type] = {"int": int, "float": float, "bool": bool, "null": type(None)}


def _tagged(tag: str, text: str) -> Scalar:
    kind = tag.removeprefix(CORE)
    if kind == "binary":
        try:
            return base64.b64decode(text.replace("\n", ""), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"!!binary does not hold text: {error}") from error
    if kind == "timestamp":
        if not _is_timestamp(text):
            raise ValueError(f"cannot read {text!r} as a timestamp")
        return text
    if kind not in _OF_TYPE:
        return text
    value = _resolved(text) if not text or text[0] in _HINT else text
    if kind == "float" and type(value) is int and -(2**63) <= value < 2**63:
        value = float(value)
    if type(value) is not _OF_TYPE[kind]:
        raise ValueError(f"cannot read {text!r} as {'an' if kind == 'int' else 'a'} {kind}")
    return value


def _is_timestamp(text: str) -> bool:
    """Return whether Go's ``time.Parse`` reads ``text`` in one of go-yaml's layouts."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    year, month, day, between, hour, minute, second, zone, zone_hour, zone_minute = match.groups()
    if between and (zone is None) != (between == " "):
        return False
    if not 1 <= int(month) <= 12:
        return False
    days = monthrange(int(year), int(month))[1]
    limits = ((hour, 23), (minute, 59), (second, 59), (zone_hour, 24), (zone_minute, 60))
    return 1 <= int(day) <= days and all(int(number or 0) <= most for number, most in limits)


def _json_number(value: float) -> int | float:
    """Return ``value`` as Go's JSON converts it: a whole number below 1e21 becomes an integer.

    Go writes the shortest digits that identify the float, then zeros.  Raises ValueError for infinity and NaN.
    """
    if not math.isfinite(value):
        word = ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        raise ValueError(f"{word} is not a number that JSON has")
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    if abs(value) < 2**53:
        return int(value)
    # Slow to import, and for rare numbers only.
    from decimal import Decimal

    return int(Decimal(repr(value)))


def _key_text(value: Scalar) -> str:
    """Return a key's text as sigs.k8s.io/yaml converts it (``convertToJSONableObject``)."""
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError("a key must not be null")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _float32_text(value)
    if value >= 2**63:
        raise ValueError(f"{value} is too large for a key")
    return str(value)


def _float32_text(value: float) -> str:
    """Return the text of Go's ``strconv.FormatFloat(value, 'g', -1, 32)``, with YAML's words for infinity."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        single = math.copysign(math.inf, value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    for digits in range(9):
        text = f"{single:.{digits}e}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            break
    exponent = int(text.rpartition("e")[2])
    return text if exponent < -4 or exponent >= 6 else f"{single:.{max(digits - exponent, 0)}f}"
