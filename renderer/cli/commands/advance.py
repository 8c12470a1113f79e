"""``rollstep advance``."""

from __future__ import annotations

import sys

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("advance")
@options.targets
@click.option("--to", "to_step", type=click.IntRange(min=0), metavar="N", help="Continue until currentStepIndex is N.")
@click.option(
    "--wait",
    "wait_for",
    metavar="TOOL[=WHICH]",
    help="Make each commit when the one before it is live, according to kubernetes[=CONTEXT], argocd or"
    " flux[=NAMESPACE/NAME], or after time[=DURATION].",
)
@click.option("--timeout", metavar="DURATION", help="Longest wait for a commit.  [default: progressDeadlineSeconds]")
@click.option(
    "--lag",
    multiple=True,
    metavar="ENV=N|DURATION",
    help="Stay N steps, or a duration such as 24h, behind the release of the same app in ENV.",
)
@click.option("--together", is_flag=True, help="Make one commit for all apps, not one for each.")
@options.committing
def command(
    request: options.Request,
    to_step: int | None,
    wait_for: str | None,
    timeout: str | None,
    together: bool,
) -> None:
    """Render, validate and commit the next step of each TARGET.

    TARGET is an app's folder, ENV/APP, an environment, or an app's name; --all names every app. A timed pause ends
    when its time has passed since the step was reached, any other pause with `rollstep promote`. If there is nothing to
    do yet, the reason is printed and the exit code is 0, or 1 with --to.

    With `order: phases`, a commit is one phase of a step. With --wait, all phases of the step are committed, each when
    the commit before it is live.

    Example: rollstep advance prod/web
    """
    if timeout is not None and wait_for is None:
        raise click.UsageError("--timeout goes with --wait")
    if together and wait_for is not None:
        raise click.UsageError("use either --wait or --together")
    from renderer.pipeline.resolve.moves import advance
    from renderer.verbs.apps.move import Measuring

    with open_session(request) as session:
        if wait_for is not None:
            from renderer.verbs.release.wait import Waiting, advance_when_live

            waiting = Waiting.parse(wait_for, timeout)
            if to_step is not None:
                session.check_step(to_step)
            done = session.for_each_app(lambda ref: advance_when_live(session, ref, waiting, to_step))
        elif to_step is not None:
            session.check_step(to_step)
            done = session.for_each_app(lambda ref: session.run_to(ref, to_step))
        else:
            session.run(advance, "advance", session.refs, together=together, measuring=Measuring())
            return
    sys.exit(0 if done else 1)
