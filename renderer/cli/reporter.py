"""Output of the command line."""

from __future__ import annotations

from typing import Any

import click

from renderer.verbs.reporter import Reporter

REPORTER = Reporter(out=lambda text: click.echo(text, nl=False), note=lambda line: click.echo(line, err=True))


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    from renderer.kubernetes.printing import to_json

    REPORTER.out(to_json(value))
