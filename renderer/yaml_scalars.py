"""What a plain YAML scalar means: to Kubernetes when it is read, and to any reader when it is written.

Kubernetes reads YAML with sigs.k8s.io/yaml v1.6, that is go.yaml.in/yaml v2.4 (``resolve.go``), and hands it on as
JSON.
"""

from __future__ import annotations

import base64
import binascii
import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_NOT_FINITE = frozenset(
    (".nan", ".NaN", ".NAN", *(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")))
)
_HINT = frozenset("0123456789+-.yYnNtTfFoO~")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])_(?=[0-9])")
_TOO_MANY_DIGITS = 1000
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"([Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?)?"
)
_AMBIGUOUS = re.compile(
    r"[-+]?(0[bBoOxX][0-9a-fA-F_]*|[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+]?[0-9]+)?)"
    r"|[-+]?\.(inf|nan)|y|n|yes|no|on|off|true|false|null|~|=|<<|"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Texts that YAML 1.1 or 1.2 readers (PyYAML, ruamel.yaml, go-yaml v2 and v3) take for something else than a string."""

_PLAIN = re.compile(r"(?![-?:](?: |$)|---|\.\.\.)[^\s,\[\]{}#&*!|>'\"%@`\x00-\x1f\x7f][^\x00-\x1f\x7f]*(?<![\s:])")
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_DOUBLE_QUOTED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def plain_scalar(text: str) -> Scalar:
    """Return what an untagged plain scalar means; raise ValueError for infinity and NaN, which JSON does not have."""
    if not text:
        return None
    if text[0] not in _HINT:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text in _NOT_FINITE:
        raise ValueError(f"{text} is not a number that JSON has")
    if text[0] in "yYnNtTfFoO~":
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    if _TIMESTAMP.fullmatch(text):
        return text
    # go-yaml drops every underscore before it looks for a number, but only those between digits after a point.
    plain = _BETWEEN_DIGITS.sub("", text) if text[0] == "." else text.replace("_", "")
    match = _INT.fullmatch(plain)
    if match:
        sign, hexadecimal, binary, octal, decimal = match.groups()
        for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
            if digits is not None and len(digits) < _TOO_MANY_DIGITS:
                value = int(sign + digits, base)
                # Only what has no sign may need all 64 bits.
                if -(2**63) <= value < (2**63 if sign else 2**64):
                    return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if not math.isinf(number):
            return _json_number(number)
    return text


def _json_number(value: float) -> int | float:
    """Return ``value`` as Go's JSON hands it on: a whole number below 1e21 is written without a point: an integer.

    Go writes as many digits as tell the number from other floats, and zeros after them.
    """
    if not value.is_integer() or abs(value) >= 1e21:
        return value
    if abs(value) < 2**53:
        return int(value)
    # Takes milliseconds to import, for numbers that hardly anybody has.
    from decimal import Decimal

    return int(Decimal(repr(value)))


def tagged_scalar(tag: str, text: str) -> Scalar:
    """Return what a scalar with an explicit tag means; raise ValueError where Kubernetes would refuse it."""
    if tag in ("tag:yaml.org,2002:str", "!"):
        return text
    if tag == "tag:yaml.org,2002:binary":
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ValueError(f"!!binary does not hold text: {error}") from error
    value = plain_scalar(text)
    kind = tag.removeprefix("tag:yaml.org,2002:")
    wanted: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "null": (type(None),),
        "timestamp": (str,),
    }
    if kind not in wanted:
        raise ValueError(f"the tag {tag} is not known to Kubernetes")
    if not isinstance(value, wanted[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"cannot read {text!r} as a {kind}")
    return value


def is_null_word(text: str) -> bool:
    """Tell whether an untagged plain scalar means null."""
    return text in _WORDS and _WORDS[text] is None


def key_text(value: Scalar) -> str:
    """Return the text that JSON has for a key with this value; raise ValueError for null."""
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError("a key must not be null")
    return str(value).lower() if isinstance(value, bool) else str(value)


def scalar_text(value: Scalar) -> str:
    """Return ``value`` as one line of YAML that every reader takes for the same value.

    Raises ValueError for a float that JSON does not have.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if is_plain(value) else double_quoted(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that JSON has")
    text = repr(value)
    # YAML 1.1 wants a point in a number with an exponent.
    return text if "." in text or "e" not in text else text.replace("e", ".0e")


def is_plain(text: str) -> bool:
    """Tell whether ``text`` may stand without quotes: every reader takes it for this string."""
    return (
        _PLAIN.fullmatch(text) is not None
        and _AMBIGUOUS.fullmatch(text) is None
        and ": " not in text
        and " #" not in text
        and _NOT_PRINTABLE.search(text) is None
    )


def is_printable_line(text: str) -> bool:
    """Tell whether ``text`` is one line that may stand in single quotes."""
    return "\n" not in text and _NOT_PRINTABLE.search(text) is None


def double_quoted(text: str) -> str:
    """Return ``text`` in double quotes, on one line."""

    def escape(match: re.Match[str]) -> str:
        character = match.group()
        code = ord(character)
        return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return f'"{_DOUBLE_QUOTED.sub(escape, text)}"'


def is_literal(text: str) -> bool:
    """Tell whether ``text`` can be a literal block and read back unchanged."""
    return (
        "\n" in text
        and text[0] not in " \n\t"
        and "\t" not in text
        and _NOT_PRINTABLE.search(text) is None
        and not any(line != "" and line.isspace() for line in text.split("\n"))
    )
