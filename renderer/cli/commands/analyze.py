"""``rollstep analyze``."""

from __future__ import annotations

import sys

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("analyze")
@options.targets
@click.option("-w", "--watch", "again", is_flag=True, help="Measure whenever something is due, until every verdict.")
@options.committing
def command(request: options.Request, again: bool) -> None:
    """Take the measurements that the analyses of each TARGET's release are due for, and commit them.

    A success goes on where the release waited for it. A failure or an error takes the release back in a commit that has
    the evidence; an inconclusive result pauses it. Nothing due is no commit: the time of the next measurement is
    printed. `rollstep advance` does the same before each step.

    Example: rollstep analyze prod/web --watch
    """
    from renderer.pipeline.resolve.moves import advance
    from renderer.verbs.apps.move import Measuring
    from renderer.verbs.release.analyze import watch_analyses

    with open_session(request) as session:
        if again:
            done = watch_analyses(session)
        else:
            session.run(advance, "advance", session.refs, measuring=Measuring(goes_on=False))
            return
    sys.exit(0 if done else 1)
