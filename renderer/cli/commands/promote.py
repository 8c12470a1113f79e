"""``rollstep promote``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("promote")
@options.targets
@click.option("--full", is_flag=True, help="Promote to the end: no pauses, no steps.")
@click.option("-c", "--skip-current-step", is_flag=True, help="Skip the current canary step.")
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], full: bool, skip_current_step: bool, **choices: Any) -> None:
    """End the pause of each TARGET and do the next step, in one commit.

    Where there is no pause, the current canary step is skipped, as `kubectl argo rollouts promote` does it.

    Example: rollstep promote prod/web
    """
    if full and skip_current_step:
        raise click.UsageError("use either --full or --skip-current-step")
    from renderer.pipeline.resolve.verb_moves import acting, promoting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        if full:
            session.run(acting(actions.promote_full), "promote full", session.refs)
        elif skip_current_step:
            session.run(promoting(actions.skip_step), "promote", session.refs, options="--skip-current-step")
        else:
            session.run(promoting(actions.promote), "promote", session.refs)
