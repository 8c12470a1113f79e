"""Output formats: tables as kubectl prints them, Markdown tables, JSON, and GitHub's annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from renderer.errors import printable


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows``, header first, in columns two spaces apart."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows``, header first, as a Markdown table."""
    escaped = [[markdown_text(cell) for cell in row] for row in rows]
    rule = ["-" * max(3, len(cell)) for cell in escaped[0]]
    return "".join(f"| {' | '.join(row)} |\n" for row in [escaped[0], rule, *escaped[1:]])


_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", **{char: f"\\{char}" for char in "\\`*[]|~!#"}})
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_LINK = re.compile(r"(?<!\w)@(?=\w)|(?<=:)(?=//)|(?<=\bwww)(?=\.)", re.IGNORECASE)


def markdown_text(text: str) -> str:
    """Return ``text`` on one line as Markdown that shows it: no markup, no HTML, no link and no mention."""
    # An underscore within a word is no markup.
    marked = _UNDERSCORE.sub(r"\\_", printable(text).translate(_MARKUP))
    return _LINK.sub(lambda match: f"{match[0]}\u200b", marked)


def markdown_code(text: str) -> str:
    """Return ``text`` on one line as a span of code in Markdown."""
    return markdown_text(text) if "`" in text else f"`{printable(text)}`"


_NOT_SHOWN = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def workflow_command(level: str, properties: Mapping[str, str | int], message: str) -> str:
    """Return GitHub's annotation of ``file``, ``line`` and ``col`` with a ``title``; empty properties are left out."""
    escaped = {
        key: _data(str(value)).replace(":", "%3A").replace(",", "%2C") for key, value in properties.items() if value
    }
    given = ",".join(f"{key}={value}" for key, value in escaped.items())
    return f"::{level} {given}::{_data(message)}\n"


def _data(text: str) -> str:
    return _NOT_SHOWN.sub("\ufffd", text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def to_json(value: Any) -> str:
    """Return ``value`` as indented JSON with a final newline; what a terminal would obey is escaped."""
    return escaped_json(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def escaped_json(text: str) -> str:
    """Return JSON with an escape for each character that is not printable, all of which are in strings."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
