"""What a rule is: its code, how much it matters, why it is there, and what finds it (pure)."""

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
    "RS4": "Taken silently",
    "RS9": "Ignore comments",
}
"""Rules by the first digit of their codes."""
PAGE = "docs/rules/README.md"
"""The page with all rules, in rollstep's own repository."""


class Rule(Struct, frozen=True):
    """One rule.

    ``code`` never changes its meaning and is never given again.  ``error`` is what is refused or does harm, ``warning``
    what does something else than it says, ``note`` what has no effect.  ``check`` finds it in a context; it is None
    where the finding comes with reading the manifests or with the checks that every verb makes
    (``check``), which name the code themselves.
    """

    code: str
    severity: Severity
    title: str
    why: str
    what_to_do: str
    check: Callable[[Context], Iterable[Finding]] | None = None

    @property
    def anchor(self) -> str:
        """Where the rule stands on the page of rules."""
        return self.code.lower()

    @property
    def link(self) -> str:
        """The page of rules with the rule's anchor."""
        return f"{PAGE}#{self.anchor}"
