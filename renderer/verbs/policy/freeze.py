"""A freeze: a time in which no release goes forward."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from renderer.errors import Finding
from renderer.kubernetes.manifest import is_equal_but
from renderer.kubernetes.times import format_time

FREEZES_FILE = "freezes.yaml"


class Freeze(Struct, frozen=True, eq=False):
    """A time in which no release of ``environments`` goes forward; no environments mean all.

    It lasts from ``start`` up to, and without, ``until`` (UTC).  ``line`` is its line in ``freezes.yaml``.
    """

    name: str
    environments: tuple[str, ...]
    start: datetime
    until: datetime
    reason: str
    line: int = 0

    def __eq__(self, other: object) -> bool:
        """Compare all fields but the line."""
        return is_equal_but(("line",), self, other)

    def applies_to(self, environment: str, now: datetime) -> bool:
        """Return whether the freeze holds for ``environment`` at ``now``."""
        return self.start <= now < self.until and (not self.environments or environment in self.environments)

    def state(self, now: datetime) -> str:
        """Return ``active``, ``later`` or ``over``."""
        return "later" if now < self.start else "active" if now < self.until else "over"

    @property
    def where(self) -> str:
        """The environments as text."""
        return ", ".join(self.environments) or "all environments"

    def finding(self, title: str) -> Finding:
        """Return the refusal of a step of the app that messages call ``title``."""
        message = f"{title} is frozen until {format_time(self.until)}: {self.reason}"
        hint = f"wait, `rollstep freeze lift {self.name}`, or go on with --break-glass REASON"
        return Finding(FREEZES_FILE, self.line, 0, "", message, hint)


def active_freeze(freezes: Iterable[Freeze], environment: str, now: datetime) -> Freeze | None:
    """Return the freeze of ``environment`` at ``now`` that ends last; None without a freeze."""
    found = [freeze for freeze in freezes if freeze.applies_to(environment, now)]
    return max(found, key=lambda freeze: (freeze.until, freeze.name), default=None)


def new_name(reason: str, freezes: Sequence[Freeze]) -> str:
    """Return a name for a new freeze: its reason in lower case, with a number where ``freezes`` has that name."""
    stem = "-".join(re.findall(r"[a-z0-9]+", reason.lower()))[:40].strip("-") or "freeze"
    taken = {freeze.name for freeze in freezes}
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)
