"""``rollstep schema``: the JSON schema of ``rollstep.yaml``, for editors."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of rollstep.yaml.

    Example: rollstep schema > rollstep.schema.json
    """
    from renderer.settings_check import schema_text

    click.echo(schema_text(), nl=False)
