"""HTML from templates of rollstep's own: every value is escaped, and characters that show nothing are replaced."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import printable
from renderer.pipeline.load.sandbox import SYNTAX

if TYPE_CHECKING:
    from jinja2 import Environment


def visible(text: str) -> str:
    """Return ``text`` with U+FFFD for each character that is not printable, line breaks and tabs left as they are.

    Control characters and marks of the writing direction could make a page show another text than it has.
    """
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t" else printable(character) for character in text)


@cache
def html_environment(folder: Path) -> Environment:
    """Return the environment of the templates in ``folder``; an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        auto_reload=False,
        finalize=_finalize,
        **{**SYNTAX, "autoescape": True},
    )


def _finalize(value: Any) -> Any:
    # Markup, which is a str too, comes from templates of ours.
    return visible(value) if type(value) is str else value
