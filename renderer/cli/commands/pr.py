"""``rollstep pr``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("pr")
@options.targets
@click.option("--stack", is_flag=True, help="Open one for each remaining step, each on top of the one before.")
@click.option("--close", is_flag=True, help="Close the open pull requests and delete their branches.")
@options.every
@options.validate
@options.dry_run
@options.output
@options.now
@options.allow_exec
@options.with_request
def command(request: options.Request, stack: bool, close: bool) -> None:
    """Open or update the pull request of the next step of each TARGET.

    Merging it promotes the release; the next `rollstep advance` or `rollstep pr` continues from there. A step has one
    pull request, which a second run updates if something has changed. The forge's token is read from GITHUB_TOKEN,
    GITLAB_TOKEN, GITEA_TOKEN, FORGEJO_TOKEN or BITBUCKET_TOKEN. A dry run sends no requests.

    Example: rollstep pr prod/web --stack
    """
    if stack and close:
        raise click.UsageError("use either --stack or --close")
    from renderer.verbs.release.pull_requests.propose import close_proposals, propose_steps
    from renderer.verbs.release.run import Run

    with open_session(request) as session:
        if close:
            results = close_proposals(session, session.refs)
        else:
            results = propose_steps(session, session.refs, stack=stack)
        Run(pull_requests=results).report(request, session.reporter)
