"""The linter's core: it applies the rules to manifests that were read.  ``files`` reads them, ``formats`` reports."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding
from renderer.kubernetes.manifest import finding
from renderer.rollouts.checks import check
from renderer.verbs.lint.context import Context, Group, sort_key
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
    findings = {one for group in context.groups for one in _check_rollouts(group)}
    complete = Context(tuple(group for group in context.groups if group.complete))
    for rule in RULES.values():
        if rule.check is not None:
            found = rule.check(complete if rule.needs_all_files else context)
            findings |= {replace(one, code=rule.code) for one in found}
    return sorted(findings, key=sort_key)


def _check_rollouts(group: Group) -> Iterator[Finding]:
    left = MOST_FINDINGS
    for rollout in group.rollouts:
        if left <= 0:
            message = f"not checked: there are more than {MOST_FINDINGS:,} findings before it"
            yield replace(finding(rollout, (), message, "correct some of them"), code="RS004")
            return
        found = check(rollout, group.near(rollout), group.controller_version, group.allow, is_app=bool(group.app))
        left -= len(found)
        yield from (one for one in found if group.complete or not RULES[one.code].needs_all_files)
