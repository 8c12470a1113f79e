"""``--watch``: shows releases again whenever they change."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

import click

FINAL = ("Committed", "Degraded")
"""The phases that a release leaves only by a new verb."""
INTERVAL_SECONDS = 2.0
AGE = re.compile(r"\b(\d+[dhms])+\b")

watch_option = click.option(
    "-w", "--watch", "again", is_flag=True, help="Show again at each change, until every release is at its end."
)


class _Screen(io.StringIO):
    """The text of one showing, which is a terminal if it goes to one."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def watch(show: Callable[[], Sequence[str]], *, again: bool) -> Sequence[str]:
    """Call ``show``, which prints releases and returns their phases; return the last phases.

    ``again`` calls it until all phases are final, and prints only what has changed, apart from ages.
    """
    if not again:
        return show()
    shown = ""
    while True:
        text = _Screen(is_terminal=sys.stdout.isatty())
        with redirect_stdout(text):
            phases = show()
        is_terminal, timeless = sys.stdout.isatty(), AGE.sub("", text.getvalue())
        if is_terminal:
            click.clear()
        if is_terminal or timeless != shown:
            click.echo(text.getvalue(), nl=False)
            shown = timeless
        if all(phase in FINAL for phase in phases):
            return phases
        time.sleep(INTERVAL_SECONDS)
