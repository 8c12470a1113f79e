"""What was found about commits: for each app that one changes, what it does, or why that is no step."""

from __future__ import annotations

from msgspec import Struct

from renderer.errors import Finding
from renderer.git.repository import Commit


class Verdict(Struct, frozen=True):
    """What a commit does to one app.

    ``what`` is the verb, or ``revert``, ``merge``, ``import``, ``move``, ``removal``; empty where it is nothing legal.
    ``findings`` are what is wrong with it, ``note`` is what could not be checked.
    """

    environment: str
    app: str
    what: str
    findings: tuple[Finding, ...] = ()
    note: str = ""


class CommitVerdict(Struct, frozen=True):
    """What a commit does to the apps that it changes; ``findings`` are about the commit itself."""

    commit: Commit
    apps: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Everything that is wrong, the commit's own first."""
        return (*self.findings, *(finding for verdict in self.apps for finding in verdict.findings))
