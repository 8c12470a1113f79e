"""``rollstep diff``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.commands import options


@click.command("diff")
@options.targets
@click.option("--from", "from_step", type=click.IntRange(min=0), metavar="N", help="A step; default: the current one.")
@click.option("--to", "to_step", type=click.IntRange(min=0), metavar="N", help="A step; default: what comes next.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where there is a difference, as git diff does.")
@options.now
@click.pass_obj
def command(
    directory: str,
    targets: tuple[str, ...],
    from_step: int | None,
    to_step: int | None,
    exit_code: bool,
    now: datetime | None,
) -> None:
    """Show what changes in the rendered manifests of each TARGET from one step to another.

    By default that is from the current step to the next commit, a pause taken as promoted.

    Example: rollstep diff prod/web --from 1 --to 3
    """
    from renderer.step_diff import diff_steps

    text = diff_steps(directory, targets, from_step, to_step, now)
    click.echo(text, nl=False)
    sys.exit(1 if text and exit_code else 0)
