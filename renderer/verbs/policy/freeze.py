"""Times in which no release goes forward (pure)."""

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
    """A time in which no release of some environments (of all, where none is named) goes forward.

    ``start`` is the first moment of it (UTC), ``until`` the first one after it; ``line`` is where it stands.
    """

    name: str
    environments: tuple[str, ...]
    start: datetime
    until: datetime
    reason: str
    line: int = 0

    def __eq__(self, other: object) -> bool:
        """Compare what it says, wherever that stands."""
        return is_equal_but(("line",), self, other)

    def holds(self, environment: str, now: datetime) -> bool:
        """Tell whether the freeze keeps a release of ``environment`` where it is at ``now``."""
        return self.start <= now < self.until and (not self.environments or environment in self.environments)

    def state(self, now: datetime) -> str:
        """Return ``active``, ``later`` or ``over``."""
        return "later" if now < self.start else "active" if now < self.until else "over"

    @property
    def where(self) -> str:
        """The environments in words."""
        return ", ".join(self.environments) or "all environments"

    def finding(self, title: str) -> Finding:
        """Return why the app ``title`` stays where it is."""
        message = f"{title} is frozen until {format_time(self.until)}: {self.reason}"
        hint = f"wait, `rollstep freeze lift {self.name}`, or go on with --break-glass REASON"
        return Finding(FREEZES_FILE, self.line, 0, "", message, hint)


def holding(freezes: Iterable[Freeze], environment: str, now: datetime) -> Freeze | None:
    """Return the freeze that keeps ``environment`` where it is the longest; None where it is free."""
    found = [freeze for freeze in freezes if freeze.holds(environment, now)]
    return max(found, key=lambda freeze: (freeze.until, freeze.name), default=None)


def name_of(reason: str, freezes: Sequence[Freeze]) -> str:
    """Return a name for a freeze, made of its reason, that none of ``freezes`` has."""
    stem = "-".join(re.findall(r"[a-z0-9]+", reason.lower()))[:40].strip("-") or "freeze"
    taken = {freeze.name for freeze in freezes}
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)
