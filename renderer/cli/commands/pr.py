"""``rollstep pr``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("pr")
@options.targets
@click.option("--stack", is_flag=True, help="Open one for each step to come, each on top of the other.")
@click.option("--close", is_flag=True, help="Close those that are open, and delete their branches.")
@options.validate
@options.dry_run
@options.output
@options.now
@options.allow_exec
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], stack: bool, close: bool, **choices: Any) -> None:
    """Open or update the pull request of the next step of each TARGET.

    Merging it is the promotion: `rollstep advance`, or the next `rollstep pr`, goes on from there. A step has one pull
    request: a second run finds it and updates it where something has changed. The token of the forge is taken from
    GITHUB_TOKEN, GITLAB_TOKEN, GITEA_TOKEN, FORGEJO_TOKEN or BITBUCKET_TOKEN. A dry run talks to nobody.

    Example: rollstep pr prod/web --stack
    """
    if stack and close:
        raise click.UsageError("use either --stack or --close")
    from renderer.verbs.release.pull_requests.propose import close_proposals, propose_steps, report_results

    with open_session(directory, targets, **choices) as session:
        if close:
            results = close_proposals(session, session.refs)
        else:
            results = propose_steps(session, session.refs, stack=stack)
        report_results(results, session.request.output, session.reporter)
