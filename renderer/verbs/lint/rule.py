"""The parts of a rule: code, severity, explanation, and the function that finds its violations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from renderer.errors import Finding
from renderer.verbs.lint.context import Context

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
GROUPS = {
    "RS0": "Reading YAML",
    "RS1": "Types and fields",
    "RS2": "What the controller refuses",
    "RS3": "References between objects",
    "RS4": "Accepted silently",
    "RS9": "Ignore comments",
}
"""The titles of the groups of rules, by the beginning of their codes."""
PAGE = "docs/reference/rules/README.md"
"""The page of all rules, in rollstep's own repository."""


class Rule(Struct, frozen=True):
    """One rule.

    A ``code`` never changes its meaning and is never reused.  An ``error`` is refused or does harm, a ``warning`` does
    something else than it says, and a ``note`` has no effect.

    ``check`` finds the violations.  It is None where reading the manifests finds them, or the checks that every verb
    makes; those name the code themselves.  With ``needs_all_files`` the rule is skipped where a file of a group cannot
    be read, since that file may have the missing object.
    """

    code: str
    title: str
    why: str
    what_to_do: str
    severity: Severity = "error"
    check: Callable[[Context], Iterable[Finding]] | None = None
    needs_all_files: bool = False

    @property
    def anchor(self) -> str:
        """The rule's anchor on the page of rules."""
        return self.code.lower()

    @property
    def link(self) -> str:
        """The page of rules with the rule's anchor."""
        return f"{PAGE}#{self.anchor}"
