"""``rollstep pause``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("pause")
@options.targets
@options.committing
def command(request: options.Request) -> None:
    """Pause the Rollout of each TARGET: set spec.paused. Nothing moves until `rollstep resume`.

    Example: rollstep pause prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    run_verb(request, "pause", acting(actions.pause))
