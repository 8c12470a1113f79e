"""What was found about commits, as text, JSON, or annotations of GitHub (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from renderer.errors import Finding, printable
from renderer.kubernetes.printing import to_json, workflow_command
from renderer.kubernetes.times import format_time
from renderer.verbs.verify.verdict import CommitVerdict


def as_text(verdicts: Sequence[CommitVerdict]) -> str:
    """Return a line a finding, after the commit's hash and subject."""
    lines = []
    for verdict in verdicts:
        if verdict.all_findings:
            lines.append(f"{verdict.commit.sha[:9]} {printable(verdict.commit.subject)}\n")
            # A path is what the pusher likes: no line of the report may be forged by it.
            lines += [f"  {printable(finding.text())}\n" for finding in verdict.all_findings]
    return "".join(lines)


def as_json(verdicts: Sequence[CommitVerdict]) -> str:
    """Return every commit that changes an app or has findings, with what it does to each app."""
    entries = [_entry(verdict) for verdict in verdicts if verdict.apps or verdict.findings]
    return to_json(entries)


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
                "does": app.what or None,
                "note": app.note or None,
                "findings": [finding.to_dict() for finding in app.findings],
            }
            for app in verdict.apps
        ],
    }


def as_github(verdicts: Sequence[CommitVerdict]) -> str:
    """Return a workflow command a finding: GitHub shows it at the line of the file."""
    return "".join(
        workflow_command("error", _place(finding, verdict), _message(finding))
        for verdict in verdicts
        for finding in verdict.all_findings
    )


def _place(finding: Finding, verdict: CommitVerdict) -> dict[str, str]:
    place = {"file": finding.file, "line": finding.line, "col": finding.column}
    title = f"{verdict.commit.sha[:9]} is no step of a release"
    return {key: str(value) for key, value in place.items() if value} | {"title": title}


def _message(finding: Finding) -> str:
    words = ": ".join(part for part in (finding.field, finding.message) if part)
    return words + (f" ({finding.hint})" if finding.hint else "")


FORMATS: Mapping[str, Callable[[Sequence[CommitVerdict]], str]] = {
    "text": as_text,
    "json": as_json,
    "github": as_github,
}
"""Each returns what to print."""


def summary(verdicts: Sequence[CommitVerdict]) -> str:
    """Return the last line: how many commits, and how many findings in them."""
    findings = sum(len(verdict.all_findings) for verdict in verdicts)
    commits = f"{len(verdicts)} commit{'' if len(verdicts) == 1 else 's'}"
    steps = sum(len(verdict.apps) for verdict in verdicts)
    if not findings:
        return f"{commits} verified, {steps} step{'' if steps == 1 else 's'} of releases among them: all is legal"
    return f"{commits} verified: {findings} finding{'' if findings == 1 else 's'}"
