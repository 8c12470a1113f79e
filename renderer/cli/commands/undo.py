"""``rollstep undo``."""

from __future__ import annotations

from functools import partial

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("undo")
@options.targets
@click.option(
    "--to-revision",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="The revision to roll back to.  [default: the previous one]",
)
@options.committing
def command(request: options.Request, to_revision: int) -> None:
    """Put the pod template of an earlier revision back into the Rollout of each TARGET, and roll it out.

    With a workloadRef, the template goes back into the Deployment. Manifests of a command or a template are not edited.

    Example: rollstep undo prod/web --to-revision 3
    """
    from renderer.pipeline.resolve.verb_moves import beginning
    from renderer.rollouts import actions

    run_verb(request, "undo", beginning(partial(actions.undo, to_revision=to_revision)))
