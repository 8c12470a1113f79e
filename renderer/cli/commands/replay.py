"""``rollstep replay``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import print_json, say


@click.command("replay")
@options.revisions
@click.option("--to", "to_ref", metavar="BRANCH", default="", help="Create a branch with the replayed commits.")
@options.allow_exec
@options.dry_run
@options.output
@click.pass_obj
def command(directory: str, revisions: tuple[str, ...], to_ref: str, dry_run: bool, output: str) -> None:
    """Repeat the commits of RANGE from their sources, and check that the trees are the same.

    RANGE is what `git log` takes; the default is all of HEAD's history. Your own files are taken from each commit. The
    files that rollstep writes are rendered anew by the verb in the commit's trailers, each step on top of the one
    before, so edits of rendered files by hand are left out. The repository stays as it is; --to creates a new branch.
    A dry run checks its name and creates nothing.

    Exit codes: 0 every tree is the same, 1 a tree differs.

    Example: rollstep replay HEAD~10..HEAD
    """
    from renderer.git.repository import Repository
    from renderer.verbs.verify.replay import replay

    repository = Repository.open(Path(directory), allow_bare=True)
    results = replay(repository, revisions or ("HEAD",), to_ref=to_ref, dry_run=dry_run)
    if output == "json":
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
        print_json(entries)
    else:
        for result in results:
            if not result.is_same:
                say(f"{result.commit.sha[:9]}: tree {result.wanted[:9]}, replayed {result.tree[:9]}")
                for finding in result.findings:
                    say(f"  {finding.text()}")
    same = sum(result.is_same for result in results)
    say(f"{len(results)} commits replayed, {same} with the same tree", err=True)
    sys.exit(0 if same == len(results) else 1)
