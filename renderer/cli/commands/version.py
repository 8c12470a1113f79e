"""``rollstep version``."""

from __future__ import annotations

import click

from renderer import __version__


@click.command("version")
def command() -> None:
    """Print the version of rollstep.

    Example: rollstep version
    """
    click.echo(f"rollstep, version {__version__}")
