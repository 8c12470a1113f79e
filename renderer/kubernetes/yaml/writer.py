"""Values as canonical YAML text, which every reader takes for the same values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from renderer.kubernetes.yaml.scalars import Scalar

_CACHED_LENGTH, _CACHED_TEXTS = 64, 8192
"""Length and number of the texts for which ``is_plain`` is cached: the same keys come again and again."""
_AMBIGUOUS = re.compile(
    r"([-+]_*)?(0[bBoOxX][0-9a-fA-F_]*|[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?(e_*[-+]?[0-9_]+)?|\.[0-9_]+(e_*[-+]?[0-9_]+)?)"
    r"|[-+]?\.(inf|nan)|y|n|yes|no|on|off|true|false|null|~|=|<<|"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Texts that some reader (PyYAML, ruamel.yaml, go-yaml v2 or v3) takes for something else than a string."""

_PLAIN = re.compile(r"(?![-?:](?: |$)|---|\.\.\.)[^\s,\[\]{}#&*!|>'\"%@`\x00-\x1f\x7f][^\x00-\x1f\x7f]*(?<![\s:])")
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_DOUBLE_QUOTED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def dump(value: Any) -> str:
    """Return ``value`` as canonical YAML in block style, with the keys in their own order.

    The text reads as the same value under YAML 1.1 and 1.2.  Raises ValueError for a number that JSON does not have.
    """
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _add_mapping(lines, value, "", "")
    elif isinstance(value, list | tuple) and value:
        _add_sequence(lines, value, "", "")
    else:
        return _inline(value, "")
    return "".join(lines)


def _add_mapping(lines: list[str], value: Mapping[Any, Any], indent: str, before: str) -> None:
    """Add a mapping's lines; ``before`` stands before its first key, ``indent`` before the others."""
    inner = indent + "  "
    for key, item in value.items():
        name = scalar_text(str(key))
        # A reader looks for the colon of a simple key on the same line and within 1024 characters.
        head = f"{before}{name}:" if len(name) < 1000 else f"{before}? {name}\n{indent}:"
        before = indent
        if isinstance(item, dict) and item:
            lines.append(f"{head}\n")
            _add_mapping(lines, item, inner, inner)
        elif isinstance(item, list | tuple) and item:
            lines.append(f"{head}\n")
            _add_sequence(lines, item, indent, indent)
        else:
            lines.append(f"{head} {_inline(item, inner)}")


def _add_sequence(lines: list[str], value: list[Any] | tuple[Any, ...], indent: str, before: str) -> None:
    """Add a sequence's lines; ``before`` stands before its first item, ``indent`` before the others."""
    inner = indent + "  "
    for item in value:
        if isinstance(item, dict) and item:
            _add_mapping(lines, item, inner, f"{before}- ")
        elif isinstance(item, list | tuple) and item:
            _add_sequence(lines, item, inner, f"{before}- ")
        else:
            lines.append(f"{before}- {_inline(item, inner)}")
        before = indent


def _inline(value: Any, indent: str) -> str:
    """Return a scalar or an empty collection with its line end; a literal block spans lines."""
    if isinstance(value, str):
        if not _is_literal(value):
            return scalar_text(value) + "\n"
        body = value.rstrip("\n")
        end = len(value) - len(body)
        style = {0: "|-", 1: "|"}.get(end, "|+")
        lines = (f"{indent or '  '}{line}\n" if line else "\n" for line in body.split("\n"))
        return f"{style}\n{''.join(lines)}" + "\n" * (end - 1)
    if isinstance(value, dict):
        return "{}\n"
    if isinstance(value, list | tuple):
        return "[]\n"
    return scalar_text(value) + "\n"


def _is_literal(text: str) -> bool:
    """Return whether ``text`` can be a literal block and read back unchanged."""
    return (
        "\n" in text
        and text[0] not in " \n\t"
        and "\t" not in text
        and _NOT_PRINTABLE.search(text) is None
        and not any(line != "" and line.isspace() for line in text.split("\n"))
    )


def scalar_text(value: Scalar) -> str:
    """Return ``value`` on one line of block style; raise ValueError for a float that JSON does not have."""
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


def flow_scalar(value: Any) -> str:
    """Return a scalar that may stand anywhere, also within ``[]`` and ``{}``; raise ValueError for a collection."""
    if isinstance(value, dict | list | tuple):
        raise ValueError("is not a scalar")
    text = scalar_text(value)
    return double_quoted(value) if isinstance(value, str) and any(c in text for c in ",[]{}") else text


def is_plain(text: str) -> bool:
    """Return whether every reader takes ``text`` without quotes for this string."""
    return _is_plain_cached(text) if len(text) <= _CACHED_LENGTH else _is_plain(text)


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None
        and _AMBIGUOUS.fullmatch(text) is None
        and ": " not in text
        and " #" not in text
        and _NOT_PRINTABLE.search(text) is None
    )


_is_plain_cached = lru_cache(_CACHED_TEXTS)(_is_plain)


def is_printable_line(text: str) -> bool:
    """Return whether ``text`` is one line that may stand in single quotes."""
    return "\n" not in text and _NOT_PRINTABLE.search(text) is None


def double_quoted(text: str) -> str:
    """Return ``text`` in double quotes, on one line."""

    def escape(match: re.Match[str]) -> str:
        character = match.group()
        code = ord(character)
        return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return f'"{_DOUBLE_QUOTED.sub(escape, text)}"'
