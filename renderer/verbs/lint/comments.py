"""Ignore comments: ``# rollstep: ignore RS410, RS420 -- reason`` on a finding's line or the one before (pure)."""

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


class _Ignore(Struct, frozen=True):
    comment: Comment
    codes: tuple[str, ...]
    reason: str


def apply_comments(findings: Sequence[Finding], comments: Sequence[Comment], selection: Selection) -> list[Finding]:
    """Return ``findings`` without those that a comment ignores, and with what is wrong with the comments.

    An ignore comment cannot ignore what is wrong with ignore comments.  A code that ``selection`` leaves out is not
    missed.
    """
    meant: dict[tuple[str, str, int], list[Finding]] = {}
    for finding in findings:
        meant.setdefault((finding.code, finding.file, finding.line), []).append(finding)
    faults: list[Finding] = []
    for comment in comments:
        match = _IGNORE.match(comment.text)
        if match is None:
            continue
        ignore, wrong = _read(comment, match[1])
        if ignore.reason:
            for code in ignore.codes:
                ignored = meant.pop((code, comment.file, comment.applies_to), None)
                if ignored is None and selection.has(code):
                    wrong.append(_finding(comment, "RS902", f"nothing is found here by {code}"))
        faults += [finding for finding in wrong if selection.has(finding.code)]
    return [finding for findings_there in meant.values() for finding in findings_there] + faults


def _read(comment: Comment, words: str) -> tuple[_Ignore, list[Finding]]:
    """Return what a comment ignores, and what is wrong with it."""
    listed, _, reason = words.partition("--")
    names = [name for name in re.split(r"[,\s]+", listed) if name]
    known = tuple(dict.fromkeys(name for name in names if _CODE.fullmatch(name) and name in RULES))
    wrong = [
        _finding(comment, "RS903", f"there is no rule {name[:40]!r}")
        for name in dict.fromkeys(names)
        if name not in known
    ]
    if not names:
        wrong.append(_finding(comment, "RS903", "names no rule"))
    if not reason.strip():
        wrong.append(_finding(comment, "RS901", "no reason is given, so nothing is ignored"))
    return _Ignore(comment, known, reason.strip()), wrong


def _finding(comment: Comment, code: str, message: str) -> Finding:
    return Finding(comment.file, comment.line, comment.column, "", message, RULES[code].what_to_do, code)
