"""What stands against a legal step: a freeze, or approvals that are missing; and the word that overrides both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from renderer.errors import Finding
from renderer.freeze import BREAK_GLASS, FREEZES_FILE, Freeze, holding
from renderer.freeze_file import parse_freezes
from renderer.verify.app_state import Place
from renderer.verify.loading import Loader
from renderer.verify.snapshot import object_names, read_blobs
from renderer.verify.walk import Change
from renderer.yaml_io import decode


class Policy:
    """Holds steps that go forward against what the commit before them says."""

    def __init__(self, loader: Loader, received: datetime | None) -> None:
        """``received`` is when a server gets the commits; None takes the time at which each was made."""
        self._loader = loader
        self._received = received
        self._freezes: dict[str, tuple[Freeze, ...]] = {}

    def check(self, change: Change, place: Place) -> tuple[tuple[Finding, ...], str]:
        """Return what stands against a step of ``place`` that goes forward, and a note where it was overridden.

        Raises RollstepError where ``freezes.yaml`` is damaged.
        """
        findings = tuple(self._standing_against(change, place))
        reason = dict(change.commit.trailers).get(BREAK_GLASS, "")
        if findings and reason:
            return (), f"went forward in {change.commit.sha[:9]} with the glass broken: {reason}"
        return findings, ""

    def _standing_against(self, change: Change, place: Place) -> Iterator[Finding]:
        now = self._received or change.commit.date
        freeze = holding(self._freezes_at(change.parent), place.environment, now)
        if freeze is not None:
            yield freeze.finding(place.title)

    def _freezes_at(self, sha: str) -> tuple[Freeze, ...]:
        """Return the freezes of a commit: those of the one before count, so that none lifts what holds it up."""
        if not sha:
            return ()
        if sha not in self._freezes:
            repository = self._loader.repository
            (blob,) = object_names(repository, [f"{sha}:{FREEZES_FILE}"])
            text = decode(read_blobs(repository, [blob])[blob], FREEZES_FILE) if blob else ""
            self._freezes[sha] = parse_freezes(text)
        return self._freezes[sha]
