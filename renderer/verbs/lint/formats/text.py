"""Findings for people, and as plain JSON (pure)."""

from __future__ import annotations

import json
import re

from renderer.verbs.lint import Linted
from renderer.verbs.lint.rules import RULES

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal would obey instead of showing it, or what turns the direction of text."""


def as_text(linted: Linted) -> str:
    """Return each finding with its place, what to do about it, and where its rule is explained."""
    lines = []
    for finding in linted.findings:
        place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)
        rule = RULES[finding.code]
        words = f"{finding.field}: {finding.message}" if finding.field else finding.message
        lines.append(f"{place}: {finding.code} {rule.severity}: {words}")
        lines.append(f"    help: {finding.hint or rule.what_to_do}")
        lines.append(f"    rule: {rule.title} ({rule.link})")
    return "".join(f"{shown(line)}\n" for line in lines)


def shown(text: str) -> str:
    """Return ``text`` with control characters written as escapes, so that no manifest can steer a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def as_json(linted: Linted) -> str:
    """Return a list of findings; ``line`` and ``column`` are 0, and ``field`` is empty, where they are not known."""
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
        for finding in linted.findings
    ]
    return json.dumps(rows, indent=2, ensure_ascii=True) + "\n"
