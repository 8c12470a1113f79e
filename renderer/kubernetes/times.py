"""Times and durations, in the formats of Kubernetes, kubectl and Go."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache


def human_duration(seconds: float) -> str:
    """Return ``seconds`` as kubectl prints an age: ``90s``, ``5m30s``, ``3h10m``, ``2d4h``, ``40d``.

    The thresholds are those of ``HumanDuration`` in k8s.io/apimachinery v0.34 ``pkg/util/duration``.
    """
    whole = int(seconds)
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if days < 8 * 365 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def format_time(time: datetime) -> str:
    """Return a time in Kubernetes' format: RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def minute_text(time: datetime) -> str:
    """Return a time for people, to the minute: ``2026-03-01 12:00 UTC``."""
    return f"{format_time(time)[:16].replace('T', ' ')} UTC"


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time in UTC; raise ValueError for anything else, and for a time without a zone.

    Also raises it for a year before 1970 or after 9998: sums with such a time would overflow.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    if not 1970 < time.year < 9999 and text[:4] != "1970":
        raise ValueError(f"{text} is no time of these days")
    return time.astimezone(UTC)


UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
"""The nanoseconds of each unit of a duration of Go."""

_UNITS_AND_DAYS = UNITS | {"d": 24 * UNITS["h"]}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d)")
_DURATION = re.compile(f"(?:{_PART.pattern})+")


# Each pass of the controller parses again, and apps of a fleet often wait for the same time.
@lru_cache(maxsize=64)
def parse_duration(text: str, *, days: bool = False) -> int:
    """Return the whole seconds of ``90``, ``1m30s`` or ``1.5h``; -1 for an invalid text.

    An integer is seconds, as in a pause step of Argo Rollouts; everything else follows Go's ``time.ParseDuration``.
    ``days`` allows the unit ``d``, which Go does not have.
    """
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    rest = text[1:] if text[:1] in ("+", "-") else text
    if not _DURATION.fullmatch(rest) or ("d" in rest and not days):
        return -1
    # Slow to import, and for texts with units only.
    from decimal import Decimal

    nanoseconds = sum(int(Decimal(number) * _UNITS_AND_DAYS[unit]) for number, unit in _PART.findall(rest))
    return (-1 if text.startswith("-") else 1) * (nanoseconds // 10**9)
