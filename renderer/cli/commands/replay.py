"""``rollstep replay``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from renderer.cli import options


@click.command("replay")
@click.argument("revisions", nargs=-1, metavar="[RANGE]")
@click.option("--to", "to_ref", metavar="BRANCH", default="", help="Make a new branch of what was replayed.")
@options.allow_exec
@options.output
@click.pass_obj
def command(directory: str, revisions: tuple[str, ...], to_ref: str, output: str) -> None:
    """Make the commits of RANGE again from their sources, and see that the trees are the same.

    RANGE is what `git log` takes; without one, all of HEAD's history. Your own files are those of each commit; what
    rollstep writes is made anew by the verb that the trailers tell, each step on the one before. An edit of rendered
    files by hand is left out. Nothing in the repository changes; --to makes a new branch that holds the result.

    Exit codes: 0 every tree is the same, 1 one is not.

    Example: rollstep replay HEAD~10..HEAD
    """
    if any(revision.startswith("-") for revision in revisions):
        raise click.UsageError("RANGE takes no options of git")
    from renderer.git.repository import Repository
    from renderer.verbs.verify.replay import replay

    repository = Repository.open(Path(directory), allow_bare=True)
    results = replay(repository, revisions or ("HEAD",), to_ref=to_ref)
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entries = [
            {
                "commit": result.commit.sha,
                "subject": result.commit.subject,
                "tree": result.wanted,
                "replayed": result.tree,
                "replayedCommit": result.new_commit or None,
                "findings": [finding.to_dict() for finding in result.findings],
            }
            for result in results
        ]
        click.echo(to_json(entries), nl=False)
    else:
        for result in results:
            if not result.is_same:
                click.echo(f"{result.commit.sha[:9]}: tree {result.wanted[:9]}, replayed {result.tree[:9]}")
                for finding in result.findings:
                    click.echo(f"  {finding.text()}")
    same = sum(result.is_same for result in results)
    click.echo(f"{len(results)} commits replayed, {same} with the same tree", err=True)
    sys.exit(0 if same == len(results) else 1)
