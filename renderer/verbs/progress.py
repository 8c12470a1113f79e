"""Shows the progress of a long run on a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

DELAY = 1.0
"""Seconds before the first line of progress."""
INTERVAL = 0.1
"""Seconds between two updates of the line."""
_CLEAR = "\r\x1b[K"


def over(items: Sequence[T], what: str) -> Iterable[T]:
    """Return ``items``, and show the work on each of them (``reading app 2 of 3``) during the iteration."""
    return _counted(items, what) if _is_terminal() else items


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Show ``what`` (``committing``) until the end of the block."""
    if not _is_terminal():
        yield
        return
    line = _line()
    before, line.text = line.text, what
    try:
        yield
    finally:
        line.text = before


def _counted(items: Sequence[T], what: str) -> Iterator[T]:
    with stage(what):
        for number, item in enumerate(items, 1):
            if len(items) > 1:
                _line().text = f"{what} {number:,} of {len(items):,}"
            yield item


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except (AttributeError, ValueError):
        return False


class _Line:
    """The last line of the terminal, written by a thread because a stage may wait for a program."""

    def __init__(self) -> None:
        from threading import Event, Lock, Thread

        self._text = self._shown = ""
        self._failed = Event()
        self._writing = Lock()
        Thread(target=self._update, daemon=True).start()

    @property
    def text(self) -> str:
        """The current work; empty text clears the line."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        if not text:
            self._show()

    def _update(self) -> None:
        if not self._failed.wait(DELAY):
            while not self._failed.wait(INTERVAL):
                self._show()

    def _show(self) -> None:
        with self._writing:
            if self._text == self._shown:
                return
            self._shown = self._text
            try:
                width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
                # The cursor returns to the start: other output overwrites the line.
                os.write(sys.stderr.fileno(), f"{_CLEAR}{self._shown[: width - 1]}\r".encode())
            except (OSError, ValueError):
                self._failed.set()


_lines: list[_Line] = []


def _line() -> _Line:
    if not _lines:
        _lines.append(_Line())
    return _lines[0]
