"""``rollstep help``."""

from __future__ import annotations

import click


@click.command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Show the help of COMMAND, by default that of rollstep.

    Example: rollstep help set image
    """
    parent = ctx.parent
    assert parent is not None
    for name in names:
        group = parent.command
        found = group.get_command(parent, name) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f"no such command: {' '.join(names)}", parent)
        parent = found.context_class(found, parent=parent, info_name=name, **found.context_settings)
    click.echo(parent.get_help())
