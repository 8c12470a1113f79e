"""A value as one plain or quoted YAML scalar that every reader takes for the same value."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from renderer.kubernetes.yaml.scalars import Scalar

_WORD, _WORDS = 64, 8192
"""Up to which length, and of how many texts, it is remembered whether they are plain: keys come again and again."""
_AMBIGUOUS = re.compile(
    r"([-+]_*)?(0[bBoOxX][0-9a-fA-F_]*|[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?(e_*[-+]?[0-9_]+)?|\.[0-9_]+(e_*[-+]?[0-9_]+)?)"
    r"|[-+]?\.(inf|nan)|y|n|yes|no|on|off|true|false|null|~|=|<<|"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Texts that YAML 1.1 or 1.2 readers (PyYAML, ruamel.yaml, go-yaml v2 and v3) take for something else than a string."""

_PLAIN = re.compile(r"(?![-?:](?: |$)|---|\.\.\.)[^\s,\[\]{}#&*!|>'\"%@`\x00-\x1f\x7f][^\x00-\x1f\x7f]*(?<![\s:])")
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_DOUBLE_QUOTED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def scalar_text(value: Scalar) -> str:
    """Return ``value`` as one line of YAML that every reader takes for the same value.

    Raises ValueError for a float that JSON does not have.
    """
    if isinstance(value, str):
        return value if is_plain(value) else double_quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that JSON has")
    text = repr(value)
    # YAML 1.1 wants a point in a number with an exponent.
    return text if "." in text or "e" not in text else text.replace("e", ".0e")


def is_plain(text: str) -> bool:
    """Tell whether ``text`` may stand without quotes: every reader takes it for this string."""
    return _is_plain_word(text) if len(text) <= _WORD else _is_plain(text)


@lru_cache(_WORDS)
def _is_plain_word(text: str) -> bool:
    return _is_plain(text)


def _is_plain(text: str) -> bool:
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
