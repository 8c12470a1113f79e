"""``rollstep resume``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("resume")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Clear the Rollout's spec.paused of each TARGET.

    Example: rollstep resume prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        session.run(acting(actions.resume), "resume", session.refs)
