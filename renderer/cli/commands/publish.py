"""``rollstep publish``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("publish")
@options.targets
@click.option(
    "--new-source",
    is_flag=True,
    help="Also render a branch whose last source is not in HEAD's history, such as after `git commit --amend`.",
)
@options.every
@options.push
@options.with_request
def command(request: options.Request) -> None:
    """Bring the environment's branch of each TARGET up to HEAD.

    TARGET is an app's folder, ENV/APP, an environment, or an app's name. Every command that commits does this,
    too. No release moves: the branch gets the manifests that HEAD's commits have.

    With --new-source, the branch gets the manifests of HEAD in a commit on top of its own, whatever it was rendered
    from. Look at the change first: git diff main:environments/prod env/prod.

    Example: rollstep publish prod --new-source --push
    """
    with open_session(request) as session:
        session.publish()
