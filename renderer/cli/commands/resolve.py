"""``rollstep resolve``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER


@click.command("resolve")
@options.targets
@click.option("--all", "everything", is_flag=True, help="Resolve every app with a conflict.")
@click.option("--ours", "side", flag_value="ours", help="Take our side.")
@click.option("--theirs", "side", flag_value="theirs", help="Take their side.")
@options.validate
@options.dry_run
@options.output
@options.allow_exec
@click.pass_obj
def command(
    directory: str,
    targets: tuple[str, ...],
    everything: bool,
    side: str | None,
    validate: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Resolve the git conflicts of each TARGET in the files that rollstep writes.

    status.yaml and the whole rendered folder are taken from one side, and what follows from the merged sources is
    rendered. Then the files are added to the index. Your own manifests stay yours to resolve. Without
    a choice an abort wins, then the only side that moves the release; all else needs --ours or --theirs.

    --ours and --theirs are git's words. In a merge, a cherry-pick, a revert and a stash, ours is the branch that you
    are on; theirs is what you merge, pick or unstash, and in a revert the state before the reverted commit. A rebase
    swaps them: ours is the branch that you rebase onto, theirs is your own commit that moves.

    Outside of a merge, an abort on their side is made again on top of ours, so that the commit is a step.

    Example: rollstep resolve prod/web --theirs
    """
    if everything == bool(targets):
        raise click.UsageError("name the apps to resolve, or --all")
    from renderer.verbs.conflicts.resolve import ResolveRequest, resolve

    resolve(ResolveRequest(directory, targets, side or "", validate, dry_run, output), REPORTER)
