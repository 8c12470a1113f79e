"""The four DORA figures of releases, counted from commits.

Deployments are releases that reached all the traffic, without rollbacks, restarts and imports.  The page says the
same in words (``templates/dora.html.j2``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from msgspec import Struct

from renderer.verbs.site.records import ABORTED, TAKEN_BACK, AppRecord, ReleaseRecord

WINDOW = timedelta(days=90)
"""The time before the last commit that the figures of the whole site are of."""


class Figures(Struct, frozen=True):
    """The figures of a period; None where nothing was counted.

    ``deployments`` are per week in ``frequency``; ``lead_time`` and ``time_to_restore`` are medians in seconds.
    ``failed`` of ``ended`` releases make ``failure_rate``, a share from 0 to 1.
    """

    title: str
    deployments: int
    frequency: float
    lead_time: float | None
    failed: int
    ended: int
    failure_rate: float | None
    restores: int
    time_to_restore: float | None


class Deployment(Struct, frozen=True):
    """A release as the figures count it; ``restored`` are the times between an abort or undo and health, in seconds."""

    began: datetime
    completed: datetime | None
    ended: datetime | None
    lead_time: int | None
    is_failed: bool
    restores: tuple[tuple[datetime, float], ...]


def is_counted(release: ReleaseRecord) -> bool:
    """Return whether a release brings a change: no rollback, no restart, and no import of what ran before."""
    verb = release.commits[0].verb or ""
    return not release.is_rollback and bool(verb) and verb.split()[0] != "restart"


def deployments_of(app: AppRecord) -> Iterator[Deployment]:
    """Yield the app's releases as the figures count them."""
    for at, release in enumerate(app.releases):
        if not is_counted(release):
            continue
        restores = [(abort.time, _seconds(abort.time, abort.restored)) for abort in release.aborts]
        following = app.releases[at + 1] if at + 1 < len(app.releases) else None
        if release.is_undone and following is not None and not release.aborts:
            restores.append((following.began, _seconds(following.began, following.completed)))
        is_failed = bool(release.aborts) or release.is_undone or release.outcome in (ABORTED, TAKEN_BACK)
        known = tuple((time, seconds) for time, seconds in restores if seconds is not None)
        completed, ended = release.completed, release.completed or release.ended
        if ended is None and release.aborts:
            ended = release.aborts[0].time
        yield Deployment(release.began, completed, ended, release.lead_time_seconds, is_failed, known)


def figures(title: str, deployments: Iterable[Deployment], start: datetime, end: datetime) -> Figures:
    """Return the figures of the time from ``start`` up to, and without, ``end``."""
    every = list(deployments)

    def within(time: datetime | None) -> bool:
        return time is not None and start <= time < end

    done = [found for found in every if within(found.completed)]
    ended = [found for found in every if within(found.ended)]
    failed = [found for found in ended if found.is_failed]
    lead_times = [found.lead_time for found in done if found.lead_time is not None]
    restores = [seconds for found in every for time, seconds in found.restores if within(time)]
    return Figures(
        title=title,
        deployments=len(done),
        frequency=len(done) * timedelta(weeks=1) / (end - start),
        lead_time=median(lead_times) if lead_times else None,
        failed=len(failed),
        ended=len(ended),
        failure_rate=len(failed) / len(ended) if ended else None,
        restores=len(restores),
        time_to_restore=median(restores) if restores else None,
    )


def months(first: datetime, last: datetime) -> list[tuple[str, datetime, datetime]]:
    """Return the title, the start and the end of each month (UTC) from that of ``first`` to that of ``last``."""
    found = []
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        following = (year + month // 12, month % 12 + 1)
        found.append((f"{year}-{month:02}", datetime(year, month, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)))
        year, month = following
    return found


def by_month(deployments: Sequence[Deployment], last: datetime, most: int = 12) -> list[Figures]:
    """Return the figures of each month up to that of ``last``, newest first, at most ``most`` of them."""
    if not deployments:
        return []
    first = min(found.began for found in deployments)
    return [figures(title, deployments, start, end) for title, start, end in reversed(months(first, last)[-most:])]


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - start).total_seconds()
