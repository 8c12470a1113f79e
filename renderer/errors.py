"""Findings and the one exception that carries them to the user.

Every layer reports what is wrong with the user's input as ``Finding`` values and raises
``RollstepError`` with all of them at once.  ``renderer.cli.main`` alone turns them into text and exit codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")
R = TypeVar("R")


class Finding(Struct, frozen=True, order=True):
    """One thing wrong, where it is, and what to do about it.

    ``field`` is a path as ``kubectl`` prints it (``spec.strategy.canary.steps[1].setWeight``); ``line`` and ``column``
    count from 1 and are 0 where they are not known.  ``message`` says what was found and what was expected, ``hint``
    what to do; ``code`` is the rule that it breaks (``RS231``), empty where it is none of the linter's.
    """

    file: str
    line: int
    column: int
    field: str
    message: str
    hint: str = ""
    code: str = ""

    def text(self) -> str:
        """Return the finding on one line, as ``file:line:column: field: message (hint)``."""
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        parts = [part for part in (place, self.field, self.message) if part]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")

    def to_dict(self) -> dict[str, str | int]:
        """Return the finding as JSON-ready data; what is not known is left out."""
        return {key: value for key in self.__struct_fields__ if (value := getattr(self, key))}


class RollstepError(Exception):
    """The user's input or repository does not allow what was asked; exit code 1."""

    exit_code = 1

    def __init__(self, findings: Iterable[Finding] | str, *, hint: str = "") -> None:
        """Take all findings, or one message that belongs to no file."""
        if isinstance(findings, str):
            findings = [Finding("", 0, 0, "", findings, hint)]
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(finding.text() for finding in self.findings))


class UsageError(RollstepError):
    """The command line does not make sense (a flag, a path or a name that does not exist); exit code 2."""

    exit_code = 2


def each(items: Iterable[T], make: Callable[[T], R]) -> list[R]:
    """Return what ``make`` makes of every item; raise RollstepError with the findings of all of them."""
    made: list[R] = []
    findings: dict[Finding, None] = {}
    for item in items:
        try:
            made.append(make(item))
        except UsageError:
            raise
        except RollstepError as error:
            findings.update(dict.fromkeys(error.findings))
    if findings:
        raise RollstepError(findings)
    return made


def printable(text: str) -> str:
    """Return ``text`` with a replacement for each character that would do something else than be shown."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


@contextmanager
def reporting(path: str) -> Iterator[None]:
    """Turn an OSError into a RollstepError that names its file, or ``path`` where it names none."""
    try:
        yield
    except OSError as error:
        raise unwritable(error, path) from error


def unwritable(error: OSError, path: str) -> RollstepError:
    """Return ``error`` as one that names its file, or ``path`` where it names none."""
    message = f"cannot be written: {error.strerror or error}"
    return RollstepError([Finding(str(error.filename2 or error.filename or path), 0, 0, "", message)])


def one_line(text: str) -> str:
    """Return ``text`` on one line and without control characters, which could forge a line (a template filter)."""
    # Not printable are also U+2028, the marks that turn the writing direction, and lone surrogates.
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())
