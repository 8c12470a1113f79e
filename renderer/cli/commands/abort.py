"""``rollstep abort``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("abort")
@options.targets
@options.committing
def command(request: options.Request) -> None:
    """Abort the release of each TARGET: send all traffic back to the stable ReplicaSet.

    If a scale-down delay applies, `rollstep advance` scales the aborted ReplicaSet down after it. Open pull requests of
    the release's steps are closed.

    Example: rollstep abort prod/web
    """
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions
    from renderer.verbs.release.pull_requests.propose import close_aborted

    with open_session(request) as session:
        apps = session.run(acting(actions.abort), "abort", session.refs)
        close_aborted(session, [app.home.ref for app in apps])
