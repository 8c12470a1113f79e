"""``rollstep pause``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("pause")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Set the Rollout's spec.paused of each TARGET: nothing moves until `rollstep resume`.

    Example: rollstep pause prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        session.run(acting(actions.pause), "pause", session.refs)
