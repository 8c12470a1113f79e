"""What a run of the linter found (pure)."""

from __future__ import annotations

from msgspec import Struct

from renderer.errors import Finding


class Linted(Struct, frozen=True):
    """The findings, sorted, and the name of every stream of manifests that was read."""

    findings: tuple[Finding, ...]
    files: tuple[str, ...]
