"""``rollstep retry``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("retry")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Start an aborted release of each TARGET again from its first step.

    Example: rollstep retry prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        session.run(acting(actions.retry), "retry", session.refs)
