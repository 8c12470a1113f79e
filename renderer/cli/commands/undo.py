"""``rollstep undo``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("undo")
@options.targets
@click.option("--to-revision", type=click.IntRange(min=0), default=0, metavar="N", help="Default: the one before.")
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], to_revision: int, **choices: Any) -> None:
    """Put the pod template of an earlier revision back into the Rollout of each TARGET, and begin to roll it out.

    Example: rollstep undo prod/web --to-revision 3
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions

    with open_session(directory, targets, **choices) as session:
        session.run(acting(partial(actions.undo, to_revision=to_revision)), "undo", session.refs)
