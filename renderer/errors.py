"""Findings, and the exception that carries them to the user.

Every layer raises ``RollstepError`` with all its findings at once; only ``renderer.cli.main`` turns them into text and
exit codes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from msgspec import Struct

CONFLICT = "git left the markers of a conflict here"
"""Part of the message about a file with them."""

T = TypeVar("T")
R = TypeVar("R")


class Finding(Struct, frozen=True, order=True):
    """One fault of the user's input, its position, and the remedy (``hint``).

    ``field`` is a path as ``kubectl`` prints it (``spec.strategy.canary.steps[1].setWeight``).  ``line`` and ``column``
    count from 1; 0 is unknown.  ``code`` is the linter's rule (``RS231``), empty for other findings.
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
        """Return the finding as JSON-ready data without empty fields."""
        return {key: value for key in self.__struct_fields__ if (value := getattr(self, key))}


class RollstepError(Exception):
    """The user's input or repository does not allow the request; exit code 1."""

    exit_code = 1

    def __init__(self, findings: Iterable[Finding] | str, *, hint: str = "") -> None:
        """Take findings, or one message without a file."""
        if isinstance(findings, str):
            findings = [Finding("", 0, 0, "", findings, hint)]
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(finding.text() for finding in self.findings))

    @classmethod
    def at(cls, file: str, message: str, hint: str = "") -> Self:
        """Return the error of one finding about a whole file."""
        return cls([Finding(file, 0, 0, "", message, hint)])


class UsageError(RollstepError):
    """The command line is invalid (a flag, a path or a name that does not exist); exit code 2."""

    exit_code = 2


def map_all(items: Iterable[T], function: Callable[[T], R]) -> list[R]:
    """Return ``function`` of each item, in order.

    Raises RollstepError with the findings of all items, or the first UsageError.
    """
    results, findings = map_valid(items, function)
    require(findings)
    return results


def map_valid(items: Iterable[T], function: Callable[[T], R]) -> tuple[list[R], tuple[Finding, ...]]:
    """Return ``function`` of each item for which it raises no RollstepError, in order, and the findings of the others.

    Raises the first UsageError.
    """
    results: list[R] = []
    findings: dict[Finding, None] = {}
    for item in items:
        try:
            results.append(function(item))
        except UsageError:
            raise
        except RollstepError as error:
            findings.update(dict.fromkeys(error.findings))
    return results, tuple(findings)


def require(findings: Collection[Finding]) -> None:
    """Raise RollstepError with ``findings``, if there are any."""
    if findings:
        raise RollstepError(findings)


def printable(text: str) -> str:
    """Return ``text`` with U+FFFD for each character that is not printable."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


@contextmanager
def reporting(path: str) -> Iterator[None]:
    """Turn an OSError into the RollstepError of ``unwritable``."""
    try:
        yield
    except OSError as error:
        raise unwritable(error, path) from error


def unwritable(error: OSError, path: str) -> RollstepError:
    """Return the RollstepError of a failed write, at the file of ``error``, else at ``path``."""
    message = f"cannot be written: {error.strerror or error}"
    return RollstepError.at(str(error.filename2 or error.filename or path), message)


MOST_HINTS = 100
"""The most unknown names of one text that are compared with the known ones, which takes long."""
_MOST_KNOWN, _MOST_CHARACTERS = 500, 100


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """Return a hint with up to ``most`` of the ``known`` names that are like ``name``; empty if none is.

    A long name, and one of more than 500 known ones, is compared with none.  A caller with many names asks for the
    first ``MOST_HINTS``.
    """
    from difflib import get_close_matches

    names = list(known)
    if len(name) > _MOST_CHARACTERS or len(names) > _MOST_KNOWN:
        return ""
    near = get_close_matches(name, names, n=most)
    return f"did you mean {' or '.join(near)}?" if near else ""


def one_line(text: str) -> str:
    """Return ``text`` on one line without control characters, which could forge a line; also a template filter."""
    # U+2028, marks of the writing direction and lone surrogates are not printable either.
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())
