"""The result of ``verify``: for each commit, the action on each app that it changes, and findings."""

from __future__ import annotations

from msgspec import Struct

from renderer.errors import Finding
from renderer.git.repository import Commit


class AppVerdict(Struct, frozen=True):
    """The verdict on one app in one commit.

    ``action`` is the verb, or ``revert``, ``merge``, ``import``, ``move`` or ``removal``; empty for an illegal change.
    ``note`` names what was not checked, or the reason for breaking the glass.  ``is_partial`` says that the step could
    not be derived.
    """

    environment: str
    app: str
    action: str
    findings: tuple[Finding, ...] = ()
    note: str = ""
    is_partial: bool = False


class CommitVerdict(Struct, frozen=True):
    """The verdicts on the apps that a commit changes; ``findings`` are those of the commit itself."""

    commit: Commit
    apps: tuple[AppVerdict, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """All findings, those of the commit itself first."""
        return (*self.findings, *(finding for app in self.apps for finding in app.findings))
