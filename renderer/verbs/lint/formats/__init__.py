"""The formats of the linter's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from renderer.verbs.lint import LintResult
from renderer.verbs.lint.formats.ci import github, gitlab, junit
from renderer.verbs.lint.formats.sarif import sarif
from renderer.verbs.lint.formats.text import as_json, as_text

Format = Callable[[LintResult], str]

FORMATS: Mapping[str, Format] = {
    "text": as_text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
    "gitlab": gitlab,
    "junit": junit,
}
"""The function of each value of ``--output``."""
