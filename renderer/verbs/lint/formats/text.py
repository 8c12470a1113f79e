"""The report as text for people, and as plain JSON."""

from __future__ import annotations

import json
import re

from renderer.verbs.lint import LintResult
from renderer.verbs.lint.rules import RULES

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that control a terminal or the direction of text."""


def as_text(result: LintResult) -> str:
    """Return three lines for each finding: place and message, help, and rule."""
    lines = []
    for finding in result.findings:
        place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)
        rule = RULES[finding.code]
        message = f"{finding.field}: {finding.message}" if finding.field else finding.message
        lines.append(f"{place}: {finding.code} {rule.severity}: {message}")
        lines.append(f"    help: {finding.hint or rule.what_to_do}")
        lines.append(f"    rule: {rule.title} ({rule.link})")
    return "".join(f"{escaped(line)}\n" for line in lines)


def escaped(text: str) -> str:
    """Return ``text`` with control characters as escapes, so that no manifest controls a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def as_json(result: LintResult) -> str:
    """Return a list of findings; an unknown ``line`` or ``column`` is 0, an unknown ``field`` empty."""
    rows = [
        {
            "code": finding.code,
            "severity": RULES[finding.code].severity,
            "title": RULES[finding.code].title,
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "field": finding.field,
            "message": finding.message,
            "hint": finding.hint or RULES[finding.code].what_to_do,
            "link": RULES[finding.code].link,
        }
        for finding in result.findings
    ]
    return json.dumps(rows, indent=2, ensure_ascii=True) + "\n"
