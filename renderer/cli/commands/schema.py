"""``rollstep schema``."""

from __future__ import annotations

import click

from renderer.cli.output_schema import ENTRIES, output_schema
from renderer.cli.reporter import print_json


@click.command("schema")
@click.option("--of", "verb", type=click.Choice(list(ENTRIES)), metavar="VERB", help="A command with --output json.")
def command(verb: str | None) -> None:
    """Print the JSON schema of rollstep.yaml, for editors, or that of the JSON that VERB prints.

    Example: rollstep schema > rollstep.schema.json

    Example: rollstep schema --of status
    """
    if verb is not None:
        print_json(output_schema(verb))
        return
    from renderer.pipeline.load.settings_schema import schema_text

    click.echo(schema_text(), nl=False)
