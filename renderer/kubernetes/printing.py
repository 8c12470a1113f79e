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
    # A bar would end the cell, and < begins HTML.
    codes = str.maketrans({"&": "&amp;", "<": "&lt;", "|": "\\|"})
    escaped = [[printable(cell).translate(codes) for cell in row] for row in rows]
    rule = ["-" * max(3, len(cell)) for cell in escaped[0]]
    return "".join(f"| {' | '.join(row)} |\n" for row in [escaped[0], rule, *escaped[1:]])


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
    """Return ``value`` as indented JSON with a final newline."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
