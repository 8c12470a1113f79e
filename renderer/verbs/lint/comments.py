"""Ignore comments: ``# rollstep: ignore RS410, RS420 -- reason`` on a finding's line or the line before."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from renderer.errors import Finding
from renderer.verbs.lint.rules import RULES
from renderer.verbs.lint.selection import Selection

_IGNORE = re.compile(r"#\s*rollstep:\s*ignore\b(.*)", re.DOTALL)
_CODE = re.compile(r"RS\d{3}")


class Comment(Struct, frozen=True):
    """A YAML comment from its ``#`` on; ``applies_to`` is the line that it is about."""

    file: str
    line: int
    column: int
    text: str
    applies_to: int


def apply_comments(findings: Sequence[Finding], comments: Sequence[Comment], selection: Selection) -> list[Finding]:
    """Return ``findings`` without the ignored ones, and with the findings about ignore comments.

    No comment can ignore findings about ignore comments.  A code that ``selection`` leaves out may match nothing.
    """
    kept: dict[tuple[str, str, int], list[Finding]] = {}
    for finding in findings:
        kept.setdefault((finding.code, finding.file, finding.line), []).append(finding)
    about_comments: list[Finding] = []
    for comment in comments:
        match = _IGNORE.match(comment.text)
        if match is None:
            continue
        codes, wrong = _parse(comment, match[1])
        for code in codes:
            ignored = kept.pop((code, comment.file, comment.applies_to), None)
            if ignored is None and selection.has(code):
                wrong.append(_finding(comment, "RS902", f"{code} finds nothing here"))
        about_comments += [finding for finding in wrong if selection.has(finding.code)]
    return [finding for group in kept.values() for finding in group] + about_comments


def _parse(comment: Comment, text: str) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the codes that a comment ignores, none without a reason, and the findings about it."""
    listed, _, reason = text.partition("--")
    names = [name for name in re.split(r"[,\s]+", listed) if name]
    codes = tuple(dict.fromkeys(name for name in names if _CODE.fullmatch(name) and name in RULES))
    unknown = [name for name in dict.fromkeys(names) if name not in codes]
    wrong = [_finding(comment, "RS903", f"there is no rule {name[:40]!r}") for name in unknown]
    if not names:
        wrong.append(_finding(comment, "RS903", "names no rule"))
    if not reason.strip():
        wrong.append(_finding(comment, "RS901", "has no reason, so it ignores nothing"))
        return (), wrong
    return codes, wrong


def _finding(comment: Comment, code: str, message: str) -> Finding:
    return Finding(comment.file, comment.line, comment.column, "", message, RULES[code].what_to_do, code)
