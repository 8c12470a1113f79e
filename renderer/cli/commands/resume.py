"""``rollstep resume``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("resume")
@options.targets
@options.committing
def command(request: options.Request) -> None:
    """Resume the paused Rollout of each TARGET: clear spec.paused.

    Example: rollstep resume prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    run_verb(request, "resume", acting(actions.resume))
