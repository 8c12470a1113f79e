"""``rollstep approve``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER


@click.command("approve")
@click.argument("commit", default="HEAD", metavar="[COMMIT]")
@click.option("--list", "listing", is_flag=True, help="Tell who has approved COMMIT; sign nothing.")
@click.option("--push", is_flag=True, help="Push the tag.")
@options.output
@click.pass_obj
def command(directory: str, commit: str, listing: bool, push: bool, output: str) -> None:
    """Approve COMMIT (HEAD where none is named) by a signed tag.

    The tag lies below refs/tags/approvals/ and is signed with your key, as git is configured; push it (--push), and the
    commit counts one approval more. A commit that is no legal step is not approved.

    Example: rollstep approve origin/main~1

    Example: rollstep approve --list
    """
    if push and listing:
        raise click.UsageError("use either --list or --push")
    from renderer.git.repository import Repository
    from renderer.verbs.verify.approve import approvals_of, approve

    repository = Repository.open(Path(directory), allow_bare=True)
    if listing:
        entries = [
            {"how": approval.how, "identities": list(approval.identities)}
            for approval in approvals_of(repository, commit)
        ]
        if output == "json":
            from renderer.kubernetes.printing import to_json

            click.echo(to_json(entries), nl=False)
        else:
            for entry in entries:
                click.echo(f"{entry['how']}: {', '.join(entry['identities'])}")
        return
    made = approve(repository, commit, again=push)
    if push:
        from renderer.pipeline.load.workspace import Workspace
        from renderer.pipeline.publish.push import push_tag

        push_tag(repository, Workspace.open(directory).settings.forge, made.tag, REPORTER.note)
    if output == "json":
        click.echo(json.dumps({"commit": made.commit.sha, "tag": made.tag}, indent=2))
    else:
        click.echo(f"[{made.commit.sha[:9]}] approved: {made.commit.subject}")
    if not push:
        click.echo(f"git push origin {made.tag}", err=True)
