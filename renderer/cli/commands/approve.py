"""``rollstep approve``."""

from __future__ import annotations

from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_json, say


@click.command("approve")
@click.argument("commit", default="HEAD", metavar="[COMMIT]")
@click.option("--list", "listing", is_flag=True, help="List the approvals of COMMIT; sign nothing.")
@click.option("--push", is_flag=True, help="Push the tag.")
@options.dry_run
@options.output
@click.pass_obj
def command(directory: str, commit: str, listing: bool, push: bool, dry_run: bool, output: str) -> None:
    """Approve COMMIT (default: HEAD) with a signed tag.

    The tag is created below refs/tags/approvals/ and signed with your key, as git is configured. The approval counts
    once the tag is pushed (--push). Only a legal step can be approved.

    Example: rollstep approve origin/main~1

    Example: rollstep approve --list
    """
    if push and listing:
        raise click.UsageError("use either --list or --push")
    from renderer.git.repository import Repository
    from renderer.verbs.verify.approve import approvals_of, approve

    repository = Repository.open(Path(directory), allow_bare=True)
    if listing:
        approvals = approvals_of(repository, commit)
        if output == "json":
            print_json([{"how": approval.how, "identities": list(approval.identities)} for approval in approvals])
        for approval in approvals if output == "text" else ():
            say(f"{approval.how}: {', '.join(approval.identities)}")
        return
    approved = approve(repository, commit, again=push, dry_run=dry_run)
    if push and not dry_run:
        from renderer.pipeline.load.workspace import Workspace
        from renderer.pipeline.publish.push import push_tag

        push_tag(repository, Workspace.open(directory).settings.forge, approved.tag, REPORTER.note)
    if output == "json":
        entry = {"commit": approved.commit.sha, "subject": approved.commit.subject, "tag": approved.tag}
        print_json([{**entry, "dryRun": dry_run}])
    else:
        start = "[dry run]" if dry_run else f"[{approved.commit.sha[:9]}]"
        say(f"{start} approved: {approved.commit.subject}")
    if not push and not dry_run:
        say(f"git push origin {approved.tag}", err=True)
