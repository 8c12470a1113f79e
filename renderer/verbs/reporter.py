"""The output of a verb, handed in by the command line."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Reporter(Struct, frozen=True):
    """Prints for a verb: ``out`` a text on stdout, ``note`` a line on stderr."""

    out: Callable[[str], object]
    note: Callable[[str], object]
