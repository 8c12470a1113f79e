"""Tables for people: aligned text as kubectl prints it, and Markdown (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from renderer.errors import printable


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows``, the first of which is the header, in columns two spaces apart."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return ``rows``, the first of which is the header, as a Markdown table."""
    escaped = [[_escaped(cell) for cell in row] for row in rows]
    rule = ["-" * max(3, len(cell)) for cell in escaped[0]]
    return "".join(f"| {' | '.join(row)} |\n" for row in [escaped[0], rule, *escaped[1:]])


def _escaped(cell: str) -> str:
    """Return a cell in which nothing ends it or is taken for HTML."""
    return printable(cell).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
