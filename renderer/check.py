"""What is wrong with a Rollout and with what it refers to, as the controller says it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from renderer.errors import Finding
from renderer.manifest import Manifest


def check(app_rollout: Manifest, manifests: Sequence[Manifest]) -> list[Finding]:
    """Return everything that is wrong with a Rollout among the other ``manifests`` of its app."""
    return []
