"""``rollstep abort``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("abort")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Send all traffic of each TARGET back to its stable ReplicaSet.

    Where a scale-down delay applies, `rollstep advance` scales the aborted ReplicaSet down when it has passed.
    Open pull requests of the release's steps are closed.

    Example: rollstep abort prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions
    from renderer.verbs.release.pull_requests.propose import close_aborted

    with open_session(directory, targets, **choices) as session:
        session.run(acting(actions.abort), "abort", session.refs)
        close_aborted(session, session.refs)
