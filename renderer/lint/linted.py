"""What a run of the linter found (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from renderer.errors import Finding


@dataclass(frozen=True, slots=True)
class Linted:
    """The findings, sorted, and the name of every stream of manifests that was read."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
