"""``rollstep restart``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("restart")
@options.targets
@options.committing
def command(request: options.Request) -> None:
    """Restart the pods of each TARGET: roll out a new revision that differs only in an annotation.

    Sets the annotation kubectl.kubernetes.io/restartedAt of the Rollout's pod template to the current time, as
    `kubectl rollout restart` does for a Deployment.

    Example: rollstep restart prod/web
    """
    from renderer.pipeline.resolve.verb_moves import beginning
    from renderer.rollouts import actions

    run_verb(request, "restart", beginning(actions.restart_by_revision))
