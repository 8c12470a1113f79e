"""The report of ``verify`` as text, JSON or annotations of GitHub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from renderer.errors import printable
from renderer.kubernetes.printing import to_json, workflow_command
from renderer.kubernetes.times import format_time
from renderer.verbs.verify.verdict import CommitVerdict


def as_text(verdicts: Sequence[CommitVerdict]) -> str:
    """Return one line for each commit with findings, followed by one line for each finding."""
    lines = []
    for verdict in verdicts:
        if verdict.all_findings:
            lines.append(f"{verdict.commit.sha[:9]} {printable(verdict.commit.subject)}\n")
            # The pusher chooses the paths: none of them may forge a line of the report.
            lines += [f"  {printable(finding.text())}\n" for finding in verdict.all_findings]
    return "".join(lines)


def as_json(verdicts: Sequence[CommitVerdict]) -> str:
    """Return a list of the commits that change an app or have findings, with the action on each app."""
    return to_json([_entry(verdict) for verdict in verdicts if verdict.apps or verdict.findings])


def _entry(verdict: CommitVerdict) -> dict[str, Any]:
    return {
        "commit": verdict.commit.sha,
        "subject": verdict.commit.subject,
        "author": verdict.commit.author_name,
        "date": format_time(verdict.commit.date),
        "legal": not verdict.all_findings,
        "findings": [finding.to_dict() for finding in verdict.findings],
        "apps": [
            {
                "environment": app.environment,
                "app": app.app,
                "does": app.action or None,
                "note": app.note or None,
                "findings": [finding.to_dict() for finding in app.findings],
            }
            for app in verdict.apps
        ],
    }


def as_github(verdicts: Sequence[CommitVerdict]) -> str:
    """Return one workflow command for each finding; GitHub shows it at the line of the file."""
    lines = []
    for verdict in verdicts:
        title = f"{verdict.commit.sha[:9]} is not a step of a release"
        for finding in verdict.all_findings:
            place: dict[str, str | int] = {"file": finding.file, "line": finding.line, "col": finding.column}
            message = ": ".join(filter(None, (finding.field, finding.message)))
            message += f" ({finding.hint})" if finding.hint else ""
            lines.append(workflow_command("error", {**place, "title": title}, message))
    return "".join(lines)


FORMATS: Mapping[str, Callable[[Sequence[CommitVerdict]], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
}
"""The function of each value of ``--output``."""


def summary(verdicts: Sequence[CommitVerdict]) -> str:
    """Return the last line: the numbers of commits, of release steps and of findings."""
    findings = sum(len(verdict.all_findings) for verdict in verdicts)
    steps = sum(len(verdict.apps) for verdict in verdicts)
    commits = _count(len(verdicts), "commit")
    if findings:
        return f"{commits} verified: {_count(findings, 'finding')}"
    partial = sum(app.is_partial for verdict in verdicts for app in verdict.apps)
    if partial:
        return f"{commits} verified, {_count(steps, 'release step')}: no findings, and {partial} verified in part"
    return f"{commits} verified, {_count(steps, 'release step')}: all legal"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
