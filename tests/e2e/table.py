"""The table of the runs: requests sent and failed, and each version's share against its weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

SIGMAS = 4.5
"""The standard deviations that a share may be off: by chance, one measurement of some 150,000 is."""


@dataclass(frozen=True, slots=True)
class Share:
    """One measured weight: ``seen`` of ``sent`` requests went to the new version at ``weight`` percent."""

    weight: int
    sent: int
    seen: int

    @property
    def bound(self) -> float:
        """Return how many percent the share may be off: the binomial bound, and one request."""
        share = self.weight / 100
        return 100 * (SIGMAS * sqrt(share * (1 - share) / self.sent) + 1 / self.sent)

    @property
    def percent(self) -> float:
        return 100 * self.seen / self.sent

    @property
    def within(self) -> bool:
        return abs(self.percent - self.weight) <= self.bound

    def text(self) -> str:
        return f"{self.percent:.1f}% at {self.weight}%"


@dataclass(slots=True)
class Table:
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def add(self, run: str, commits: int, sent: int, failed: int, shares: list[Share]) -> None:
        self.rows.append((run, str(commits), f"{sent:,}", f"{failed:,}", ", ".join(share.text() for share in shares)))

    def text(self) -> str:
        """Return the table as Markdown."""
        head = ("run", "commits", "requests", "failed", "share of the new version")
        lines = [head, ("---",) * len(head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
