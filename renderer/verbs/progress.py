"""What a run is at, for whoever waits: on a terminal, from the second on that it takes; elsewhere nothing (shell)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds of a run after which it tells what it is at."""
INTERVAL = 0.1
"""Seconds between two looks at what it is at."""
_CLEAR = "\r\x1b[K"


def over(items: Sequence[T], what: str) -> Iterable[T]:
    """Return ``items``, and tell while they are gone through what is done (``reading app``) and with which of them."""
    return _counted(items, what) if _is_watched() else items


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Tell ``what`` is done (``committing``) until the end of the block."""
    if not _is_watched():
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


def _is_watched() -> bool:
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except (AttributeError, ValueError):
        return False


class _Line:
    """The last line of the terminal, which a thread of its own writes: a stage may wait for a program."""

    def __init__(self) -> None:
        """Begin to count the time; nothing is shown while ``text`` is empty."""
        from threading import Event, Lock, Thread

        self._text = self._shown = ""
        self._given_up = Event()
        self._writing = Lock()
        Thread(target=self._watch, daemon=True).start()

    @property
    def text(self) -> str:
        """What is done at the moment."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        if not text:
            self._show()

    def _watch(self) -> None:
        if not self._given_up.wait(PATIENCE):
            while not self._given_up.wait(INTERVAL):
                self._show()

    def _show(self) -> None:
        with self._writing:
            if self._text == self._shown:
                return
            self._shown = self._text
            try:
                width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
                # The cursor stays in front: whatever is told meanwhile begins a line.
                os.write(sys.stderr.fileno(), f"{_CLEAR}{self._shown[: width - 1]}\r".encode())
            except (OSError, ValueError):
                self._given_up.set()


_lines: list[_Line] = []


def _line() -> _Line:
    if not _lines:
        _lines.append(_Line())
    return _lines[0]
