"""What the engine cannot do yet is refused, field by field."""

from __future__ import annotations

from renderer.errors import Finding
from renderer.manifest import Source
from renderer.model import NO_SOURCE, Rollout


def check_supported(rollout: Rollout, source: Source = NO_SOURCE) -> tuple[Finding, ...]:
    """Return a finding for every field whose meaning the engine does not know."""
    raise NotImplementedError
