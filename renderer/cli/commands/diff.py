"""``rollstep diff``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import painted_diff, print_json
from renderer.cli.session import open_workspace


@click.command("diff")
@options.targets
@click.option("--from", "from_step", type=click.IntRange(min=0), metavar="N", help="Old step.  [default: the current]")
@click.option("--to", "to_step", type=click.IntRange(min=0), metavar="N", help="New step.  [default: the next commit]")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if there are differences, like git diff.")
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
    """Show the changes in the rendered manifests of each TARGET between two steps.

    The default is from the current step to the next commit, as if a pause were promoted.

    Example: rollstep diff prod/web --from 1 --to 3
    """
    from renderer.verbs.show.diff import diff_steps

    diffs = diff_steps(open_workspace(directory), targets, from_step, to_step, now)
    if output == "json":
        entries = [(ref, [{"file": file, "diff": text} for file, text in files.items()]) for ref, files in diffs]
        print_json([{"app": ref.name, "environment": ref.environment, "files": files} for ref, files in entries])
    else:
        click.echo(painted_diff("".join(text for _, files in diffs for text in files.values())), nl=False)
    sys.exit(1 if exit_code and any(files for _, files in diffs) else 0)
