"""``rollstep restart``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("restart")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Restart the pods of each TARGET: a new revision, rolled out as any other, that differs in an annotation alone.

    The annotation kubectl.kubernetes.io/restartedAt of the Rollout's pod template is set to the time, as
    `kubectl rollout restart` does it for a Deployment.

    Example: rollstep restart prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        session.run(acting(actions.restart_by_revision), "restart", session.refs)
