"""``rollstep history``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import print_json, say
from renderer.cli.session import open_workspace


@click.command("history")
@options.targets
@options.output
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="List every commit of this revision.")
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], output: str, revision: int | None) -> None:
    """List the revisions of each TARGET with images, role, commit and date, newest first, from git's history.

    Example: rollstep history prod/web
    """
    from renderer.errors import require
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.show.history import commits_of, commits_text, revisions_of, revisions_text

    releases, findings = open_releases(open_workspace(directory), targets, current_time())
    list_entries = revisions_of if revision is None else lambda release: commits_of(release, revision)
    entries = [entry for release in releases for entry in list_entries(release)]
    if output == "json":
        print_json(entries)
    elif entries or not findings:
        say(revisions_text(entries) if revision is None else commits_text(entries), nl=False)
    require(findings)
