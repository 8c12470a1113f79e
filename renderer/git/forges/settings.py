"""The setting `forge`: where the repository is hosted."""

from __future__ import annotations

from msgspec import Struct


class ForgeSettings(Struct, frozen=True):
    """Where the repository is hosted; None is found from the URL of the remote."""

    type: str | None = None
    url: str | None = None
    remote: str = "origin"
