"""The linter's core (pure): rules, and what they find in manifests that were read."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding
from renderer.rollouts.checks import check
from renderer.verbs.lint.context import Context, Group, finding_at, place_of
from renderer.verbs.lint.rules import RULES

__all__ = ["Context", "Group", "lint"]

NOT_FOUND = frozenset({"RS301", "RS302", "RS303", "RS309", "RS313"})
"""Rules that say nothing where something could not be read: it may be what is missed."""


MOST_FINDINGS = 10_000
"""Findings of one app, or of what is linted together, after which no more Rollouts of it are looked at."""


def lint(context: Context) -> list[Finding]:
    """Return everything that the rules find in ``context``, each finding with its code, sorted by place."""
    findings = {finding for group in context.groups for finding in _checked(group)}
    for rule in RULES.values():
        if rule.check is not None:
            findings |= {replace(finding, code=rule.code) for finding in rule.check(context)}
    return sorted(findings, key=place_of)


def _checked(group: Group) -> Iterator[Finding]:
    """Yield what the checks that every verb makes find in the Rollouts of a group."""
    left = MOST_FINDINGS
    for rollout in group.rollouts:
        if left <= 0:
            message = f"there are more than {MOST_FINDINGS:,} findings before it, and it is not looked at"
            yield replace(finding_at(rollout, (), message, "mend some of them"), code="RS004")
            return
        found = check(rollout, group.near(rollout), group.controller_version, group.allow, is_app=bool(group.app))
        left -= len(found)
        for finding in found:
            if group.complete or finding.code not in NOT_FOUND:
                yield finding


class Linted(Struct, frozen=True):
    """The findings, sorted, and the name of every stream of manifests that was read."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
