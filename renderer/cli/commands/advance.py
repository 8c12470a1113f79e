"""``rollstep advance``."""

from __future__ import annotations

import sys
from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("advance")
@options.targets
@click.option("--to", "to_step", type=click.IntRange(min=0), metavar="N", help="Go on until currentStepIndex is N.")
@click.option("--all", "every", is_flag=True, help="Advance all apps: what no TARGET means, said in so many words.")
@click.option(
    "--wait",
    "wait_for",
    metavar="TOOL[=WHICH]",
    help="Make each commit when the last is live, as kubernetes[=CONTEXT], argocd or flux[=NAMESPACE/NAME] tells, or"
    " after time[=DURATION].",
)
@click.option("--timeout", metavar="DURATION", help="How long to wait at most.  [default: progressDeadlineSeconds]")
@click.option(
    "--lag",
    multiple=True,
    metavar="ENV=N|DURATION",
    help="Stay N steps, or so long (24h), behind the release of the same app in ENV.",
)
@click.option("--together", is_flag=True, help="Make one commit for all apps instead of one for each.")
@options.committing
@click.pass_obj
def command(
    directory: str,
    /,
    targets: tuple[str, ...],
    to_step: int | None,
    every: bool,
    wait_for: str | None,
    timeout: str | None,
    lag: tuple[str, ...],
    together: bool,
    **choices: Any,
) -> None:
    """Do the next step of each TARGET: render, validate, commit.

    TARGET is an app's folder, ENV/APP, an environment, or an app's name; without one, all apps. Stops at a pause as
    the controller does: a timed pause is over when its time has passed since the step was reached, any other ends with
    `rollstep promote`. Where there is nothing to do yet, that is said, and the exit code is 0; with --to it is 1.

    Where `order` is phases, a commit is one phase of a step; with --wait, all phases of the step are done, each when
    the commit before it is live.

    Example: rollstep advance prod/web
    """
    if every and targets:
        raise click.UsageError("use either --all or TARGETs")
    from renderer.pipeline.resolve.moves import advance

    if timeout is not None and wait_for is None:
        raise click.UsageError("--timeout goes with --wait")
    if together and wait_for is not None:
        raise click.UsageError("use either --wait or --together")
    with open_session(directory, targets, lag=lag, **choices) as session:
        if wait_for is not None:
            from renderer.verbs.release.wait import Waiting, advance_when_live, seconds_of

            waiting = Waiting.parse(wait_for, seconds_of(timeout) if timeout is not None else None)
            if to_step is not None:
                session.check_step(to_step)
            waited = [advance_when_live(session, ref, waiting, to_step) for ref in session.refs]
            sys.exit(0 if all(waited) else 1)
        if to_step is None:
            session.run(advance, "advance", session.refs, together=together)
            return
        session.check_step(to_step)
        arrived = [session.run_to(ref, to_step) for ref in session.refs]
        sys.exit(0 if all(arrived) else 1)
