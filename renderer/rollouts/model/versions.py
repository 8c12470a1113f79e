"""The versions of the Argo Rollouts controller that rollstep equals."""

from __future__ import annotations

from typing import Literal

Version = Literal["1.8", "1.9", "1.10"]
VERSIONS: tuple[Version, ...] = ("1.8", "1.9", "1.10")
"""Oldest first.

1.8 has the pod types of Kubernetes v0.29, the others those of v0.34; 1.8 and 1.9 reconcile alike.
"""
RELEASES: dict[str, str] = {"1.8": "v1.8.4", "1.9": "v1.9.1", "1.10": "v1.10.2"}
"""The release of Argo Rollouts that stands for each version."""
DEFAULT_VERSION: Version = "1.10"


def is_since(version: str, first: Version) -> bool:
    """Return whether ``version`` is ``first`` or a later one; raise ``ValueError`` for an unknown version."""
    return VERSIONS.index(version) >= VERSIONS.index(first)
