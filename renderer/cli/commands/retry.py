"""``rollstep retry``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("retry")
@options.targets
@options.committing
def command(request: options.Request) -> None:
    """Retry the aborted release of each TARGET from its first step.

    Example: rollstep retry prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    run_verb(request, "retry", acting(actions.retry))
