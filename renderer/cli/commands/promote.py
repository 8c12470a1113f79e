"""``rollstep promote``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("promote")
@options.targets
@click.option("--full", is_flag=True, help="Promote to the end: skip analysis, pauses, and steps.")
@click.option("-c", "--skip-current-step", is_flag=True, help="Skip the current canary step.")
@options.committing
def command(request: options.Request, full: bool, skip_current_step: bool) -> None:
    """Promote each TARGET: end its pause and do the next step, in one commit.

    Without a pause, the current canary step is skipped, as `kubectl argo rollouts promote` does.

    Example: rollstep promote prod/web
    """
    if full and skip_current_step:
        raise click.UsageError("use either --full or --skip-current-step")
    from renderer.pipeline.resolve.verb_moves import acting, promoting
    from renderer.rollouts import actions

    if full:
        run_verb(request, "promote full", acting(actions.promote_full))
    elif skip_current_step:
        run_verb(request, "promote", promoting(actions.skip_step), options="--skip-current-step")
    else:
        run_verb(request, "promote", promoting(actions.promote))
