"""When time alone moves a release."""

from __future__ import annotations

from datetime import datetime

from renderer.model import World


def next_wakeup(world: World) -> datetime | None:
    """Return when time alone would next move something.

    That is the end of a timed pause or of ``autoPromotionSeconds``, a scale-down deadline, a restart that was asked
    for, or the progress deadline; None where only a person or the pods can.
    """
    raise NotImplementedError
