"""The reporter of the command line."""

from __future__ import annotations

import click

from renderer.verbs.reporter import Reporter

REPORTER = Reporter(out=lambda text: click.echo(text, nl=False), note=lambda line: click.echo(line, err=True))
