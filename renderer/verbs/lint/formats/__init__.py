"""Findings as text and in the forms that other tools read (pure): one module a form, chosen by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from renderer.verbs.lint import Linted
from renderer.verbs.lint.formats.ci import github, gitlab, junit
from renderer.verbs.lint.formats.sarif import sarif
from renderer.verbs.lint.formats.text import as_json, as_text

Format = Callable[[Linted], str]

FORMATS: Mapping[str, Format] = {
    "text": as_text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
    "gitlab": gitlab,
    "junit": junit,
}
"""Each returns what to print."""
