"""The forge that ``rollstep.yaml`` names."""

from __future__ import annotations

from msgspec import Struct


class ForgeSettings(Struct, frozen=True):
    """The host of the repository; a missing ``type`` or ``url`` follows from the URL of the remote."""

    type: str | None = None
    url: str | None = None
    remote: str = "origin"
