"""``rollstep schema``."""

from __future__ import annotations

import click

from renderer.cli.output_schema import ENTRIES, FILES, file_schema, output_schema
from renderer.cli.reporter import print_json


@click.command("schema")
@click.option("--of", "verb", type=click.Choice([*ENTRIES, *FILES]), metavar="VERB", help="A command or a file.")
def command(verb: str | None) -> None:
    """Print the JSON schema of rollstep.yaml, for editors, or that of the JSON that VERB prints.

    VERB is a command with --output json, or releases.json, a file of `rollstep site`.

    Example: rollstep schema > rollstep.schema.json

    Example: rollstep schema --of status
    """
    if verb is not None:
        print_json(output_schema(verb) if verb in ENTRIES else file_schema(verb))
        return
    from renderer.pipeline.load.settings_schema import schema_text

    click.echo(schema_text(), nl=False)
