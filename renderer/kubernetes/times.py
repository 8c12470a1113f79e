"""Durations as kubectl prints them."""

from __future__ import annotations


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
