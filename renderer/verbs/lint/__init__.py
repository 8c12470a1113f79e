"""The linter's core: it applies the rules to manifests that were read.  ``files`` reads them, ``formats`` reports."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding
from renderer.rollouts.checks import check
from renderer.verbs.lint.context import Context, Group, finding_at, sort_key
from renderer.verbs.lint.rules import RULES

__all__ = ["Context", "Group", "LintResult", "lint"]

MOST_FINDINGS = 10_000
"""The findings of a group after which its remaining Rollouts are not checked."""


class LintResult(Struct, frozen=True):
    """The sorted findings, and the name of every file and stream that was read."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]


def lint(context: Context) -> list[Finding]:
    """Return the findings of all rules in ``context``, each with its code, sorted by place."""
    findings = {finding for group in context.groups for finding in _check_rollouts(group)}
    complete = Context(tuple(group for group in context.groups if group.complete))
    for rule in RULES.values():
        if rule.check is not None:
            found = rule.check(complete if rule.needs_all_files else context)
            findings |= {replace(finding, code=rule.code) for finding in found}
    return sorted(findings, key=sort_key)


def _check_rollouts(group: Group) -> Iterator[Finding]:
    """Yield the findings of the checks that every verb makes."""
    left = MOST_FINDINGS
    for rollout in group.rollouts:
        if left <= 0:
            message = f"not checked: there are more than {MOST_FINDINGS:,} findings before it"
            yield replace(finding_at(rollout, (), message, "correct some of them"), code="RS004")
            return
        found = check(rollout, group.near(rollout), group.controller_version, group.allow, is_app=bool(group.app))
        left -= len(found)
        for finding in found:
            if group.complete or not RULES[finding.code].needs_all_files:
                yield finding
