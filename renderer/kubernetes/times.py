"""Durations as kubectl prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any


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
    """Return a time as Kubernetes writes it: RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time; raise ValueError for anything else, and for a time without a zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time.astimezone(UTC)


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


# Each pass of the controller asks again, and apps of a fleet often wait for the same time.
@lru_cache(maxsize=64)
def parse_duration(text: str) -> int:
    """Return the seconds of ``90``, ``1m30s`` or ``1.5h``, cut to whole; -1 for what Go's ParseDuration refuses."""
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if not rest or not re.fullmatch(f"(?:{_DURATION.pattern})+", rest):
        return -1
    nanoseconds = sum(int(_decimal(number) * _UNITS[unit]) for number, unit in _DURATION.findall(rest))
    return sign * (nanoseconds // 10**9)


def _decimal(number: str) -> Any:
    from decimal import Decimal

    return Decimal(number)
