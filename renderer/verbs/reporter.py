"""The output of a verb, handed in by the command line."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Reporter(Struct, frozen=True):
    """Speaks for a verb: ``out`` prints a text on stdout, ``note`` a line on stderr.

    ``ask`` asks a question whose answer is yes or no; where nobody can answer, the answer is yes.
    """

    out: Callable[[str], object]
    note: Callable[[str], object]
    ask: Callable[[str], bool] = lambda _: True
