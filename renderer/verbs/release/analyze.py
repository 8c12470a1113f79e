"""``analyze --watch``: measures the analyses of releases whenever something is due, until each has its verdict."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from renderer.errors import UsageError
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import current_time
from renderer.pipeline.resolve.analyses import asks_for_measurements
from renderer.pipeline.resolve.moves import advance
from renderer.pipeline.resolve.release import open_release
from renderer.verbs.apps.move import AppResult, Measuring
from renderer.verbs.release.session import Session

SOONEST, LATEST = timedelta(seconds=1), timedelta(seconds=60)
"""The bounds of the time between two looks: others may move the release meanwhile."""


def watch_analyses(session: Session) -> bool:
    """Measure until no named app has an open analysis; return whether none was taken back or paused by its result."""
    if session.request.now is not None:
        raise UsageError("--watch waits for the clock, so it does not go with --now")
    measuring = Measuring(goes_on=False, is_patient=True)
    left, is_good = list(session.refs), True
    while left:
        session.now = current_time()
        found = session.run(advance, "advance", left, measuring=measuring)
        results = {result.home.ref: result for result in found}
        if session.request.dry_run:
            return True
        waiting = [ref for ref in left if ref in results and _is_open(session, ref)]
        is_good = is_good and all(_is_good(session, ref) for ref in left if ref in results and ref not in waiting)
        # An app that was left out has its finding already.
        left = waiting
        if left:
            time.sleep(_pause([results[ref] for ref in left], current_time()).total_seconds())
    return is_good


def _is_open(session: Session, ref: AppRef) -> bool:
    return asks_for_measurements(open_release(session.workspace, ref, session.now).world)


def _is_good(session: Session, ref: AppRef) -> bool:
    status = open_release(session.workspace, ref, session.now).world.status
    return not status.abort and status.pause_condition("InconclusiveAnalysis") is None


def _pause(results: list[AppResult], now: datetime) -> timedelta:
    nearest = min((result.until for result in results if result.until is not None), default=now + LATEST)
    return max(SOONEST, min(nearest - now, LATEST))
