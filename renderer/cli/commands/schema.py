"""``rollstep schema``."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of rollstep.yaml, for editors.

    Example: rollstep schema > rollstep.schema.json
    """
    from renderer.pipeline.load.settings_schema import schema_text

    click.echo(schema_text(), nl=False)
