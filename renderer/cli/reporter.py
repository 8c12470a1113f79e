"""Output of the command line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from renderer.errors import printable
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.git.commit import CommitResult
    from renderer.pipeline.commit.part import Request

MARKS = {"error:": "red", "warning:": "yellow", "note:": "cyan"}
PHASES = {"Committed": "green", "Paused": "yellow", "Progressing": "cyan", "Degraded": "red"}
DIFF = {"-": "red", "+": "green", "@": "cyan"}

_ASCII = str.maketrans("◌⚠॥✔✖•⟳⧉├│└─▰▱…", "~!=+x-*#|||-#-.")
"""Each character of the trees and bars with one of ASCII, so that columns stay where they are."""
_HIDDEN = re.compile(r"[^\n\t\x20-\x7e]+")


def shown(text: str) -> str:
    """Return ``text`` with U+FFFD for each character that a terminal would obey, but for newlines and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda match: printable(match[0]), text)


def say(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Print a text for people; names, files and messages of anybody may be in it."""
    click.echo(shown(text), nl=nl, err=err)


def product(text: str) -> None:
    """Print manifests: as they are for a program, and without control characters on a terminal."""
    click.echo(shown(text) if sys.stdout.isatty() else text, nl=False)


def paint(text: str, color: str) -> str:
    """Return ``text`` in a color for a terminal, from any other output click removes it; plain with NO_COLOR."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=color)


def painted_phases(text: str) -> str:
    """Return ``text`` with the phases of releases in color, in characters that the output has."""
    return re.sub(
        rf"\b({'|'.join(PHASES)})\b", lambda match: paint(match[0], PHASES[match[0]]), _encodable(shown(text))
    )


def _encodable(text: str) -> str:
    """Return ``text`` as it is, or with ASCII for icons, lines and bars if the output cannot encode it."""
    try:
        # A text that is printed later has no encoding, but Python's own output has.
        text.encode(sys.stdout.encoding or (sys.__stdout__ and sys.__stdout__.encoding) or "utf-8")
    except UnicodeEncodeError:
        return text.translate(_ASCII)
    return text


def painted_diff(text: str) -> str:
    """Return a unified diff in color."""
    lines = shown(text).split("\n")
    return "\n".join(paint(line, DIFF[line[0]]) if line[:1] in DIFF else line for line in lines)


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    from renderer.kubernetes.printing import to_json

    REPORTER.out(to_json(value))


def print_entries(request: Request, entries: Sequence[dict[str, Any]], result: CommitResult | None) -> None:
    """Print the entries of a file of rollstep's own with the commit that changed it; None for a dry run."""
    if request.output == "json":
        sha, subject = (result.sha or None, result.subject) if result else (None, None)
        about = {"commit": sha, "subject": subject, "dryRun": request.dry_run}
        print_json([{**entry, **about} for entry in entries])
    elif result is not None:
        say(result.text())


def print_yaml(value: Any) -> None:
    """Print ``value`` as YAML."""
    from renderer.kubernetes.yaml.writer import dump

    REPORTER.out(dump(value))


PRINT = {"json": print_json, "yaml": print_yaml}
"""The function that prints data, by the value of ``--output``."""


def _note(line: str) -> None:
    mark, space, rest = shown(line).partition(" ")
    click.echo(f"{paint(mark, MARKS[mark])}{space}{rest}" if mark in MARKS else shown(line), err=True)


def _ask(question: str) -> bool:
    """Ask on a terminal; a script answers yes by having none."""
    return not sys.stdin.isatty() or click.confirm(question, err=True)


REPORTER = Reporter(out=lambda text: say(text, nl=False), note=_note, ask=_ask)
DIFF_REPORTER = Reporter(out=lambda text: click.echo(painted_diff(text), nl=False), note=_note)
