"""``rollstep diff``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options


@click.command("diff")
@options.targets
@click.option("--from", "from_step", type=click.IntRange(min=0), metavar="N", help="A step; default: the current one.")
@click.option("--to", "to_step", type=click.IntRange(min=0), metavar="N", help="A step; default: what comes next.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where there is a difference, as git diff does.")
@options.now
@options.output
@options.allow_exec
@click.pass_obj
def command(
    directory: str,
    targets: tuple[str, ...],
    from_step: int | None,
    to_step: int | None,
    exit_code: bool,
    now: datetime | None,
    output: str,
) -> None:
    """Show what changes in the rendered manifests of each TARGET from one step to another.

    By default that is from the current step to the next commit, a pause taken as promoted.

    Example: rollstep diff prod/web --from 1 --to 3
    """
    from renderer.verbs.show.diff import diff_steps

    diffs = diff_steps(directory, targets, from_step, to_step, now)
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entries = [
            {
                "app": ref.name,
                "environment": ref.environment,
                "files": [{"file": file, "diff": text} for file, text in files.items()],
            }
            for ref, files in diffs
        ]
        click.echo(to_json(entries), nl=False)
    else:
        click.echo("".join(text for _, files in diffs for text in files.values()), nl=False)
    sys.exit(1 if exit_code and any(files for _, files in diffs) else 0)
