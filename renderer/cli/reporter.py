"""Output of the command line."""

from __future__ import annotations

import sys
from typing import Any

import click

from renderer.verbs.reporter import Reporter


def _ask(question: str) -> bool:
    """Ask on a terminal; a script answers yes by having none."""
    return not sys.stdin.isatty() or click.confirm(question, err=True)


REPORTER = Reporter(out=lambda text: click.echo(text, nl=False), note=lambda line: click.echo(line, err=True), ask=_ask)


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    from renderer.kubernetes.printing import to_json

    REPORTER.out(to_json(value))
