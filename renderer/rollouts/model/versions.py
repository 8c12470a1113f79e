"""The versions of the Argo Rollouts controller whose pod-template-hash rollstep computes."""

from __future__ import annotations

from typing import Literal

Version = Literal["1.8", "1.9"]
VERSIONS: tuple[Version, ...] = ("1.8", "1.9")
"""1.9 has the types of Kubernetes v0.34, 1.8 those of v0.29."""
DEFAULT_VERSION: Version = "1.9"
