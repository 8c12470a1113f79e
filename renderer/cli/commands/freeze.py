"""``rollstep freeze``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_entries, print_json, say

if TYPE_CHECKING:
    from renderer.git.commit import CommitResult
    from renderer.verbs.policy.freeze import Freeze


@click.group("freeze")
def command() -> None:
    """Freeze releases for a period of time.

    Freezes are stored in freezes.yaml at the repository's root. While a freeze is active, no verb moves a release of
    its environments forward, and `rollstep verify` refuses a commit that does. Abort and undo stay possible.

    Example: rollstep freeze add --until 2027-01-04T08:00:00+01:00 --reason "End of the year" --env prod
    """


@command.command("add")
@click.option("--until", required=True, callback=options.read_time, metavar="TIME", help="End, with a time zone.")
@click.option("--reason", required=True, help="Reason, shown to everybody whose release waits.")
@click.option("--from", "start", callback=options.read_time, metavar="TIME", help="Start.  [default: now]")
@click.option("--env", "environments", multiple=True, metavar="ENV", help="Environment to freeze.  [default: all]")
@click.option("--name", default="", help="Name for `freeze lift`.  [default: made from the reason]")
@options.committing_alone
def add(
    request: options.Request,
    until: datetime,
    reason: str,
    start: datetime | None,
    environments: tuple[str, ...],
    name: str,
) -> None:
    """Add a freeze and commit it.

    Example: rollstep freeze add --until 2027-01-04T08:00:00+01:00 --reason "End of the year" --env prod
    """
    from renderer.verbs.freeze import add_freeze

    freeze, result = add_freeze(
        request, REPORTER.note, environments=environments, start=start, until=until, reason=reason, name=name
    )
    _report(request, freeze, result)
    if not request.dry_run:
        say(f"{freeze.name}: `rollstep freeze lift {freeze.name}` lifts it", err=True)


@command.command("list")
@options.now
@options.output
@click.pass_obj
def show(directory: str, now: datetime | None, output: str) -> None:
    """List the freezes with their state.

    Example: rollstep freeze list
    """
    from renderer.kubernetes.printing import text_table
    from renderer.kubernetes.times import format_time
    from renderer.pipeline.load.workspace import Workspace, current_time
    from renderer.verbs.policy.freezes import entry, load_freezes

    freezes = load_freezes(Workspace.open(directory).root)
    now = now or current_time()
    if output == "json":
        print_json([entry(freeze, now) for freeze in freezes])
        return
    rows = [["NAME", "ENVIRONMENTS", "FROM", "UNTIL", "STATE", "REASON"]]
    for freeze in freezes:
        times = [format_time(freeze.start), format_time(freeze.until)]
        rows.append([freeze.name, freeze.where, *times, freeze.state(now), freeze.reason])
    say(text_table(rows), nl=False)


@command.command("lift")
@click.argument("name")
@click.option("--reason", default="", help="Reason for the early end.")
@options.committing_alone
def lift(request: options.Request, name: str, reason: str) -> None:
    """Remove the freeze NAME and commit that.

    Example: rollstep freeze lift end-of-the-year --reason "The fix has to go out"
    """
    from renderer.verbs.freeze import lift_freeze

    freeze, result = lift_freeze(request, REPORTER.note, name, reason)
    _report(request, freeze, result)


def _report(request: options.Request, freeze: Freeze, result: CommitResult | None) -> None:
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.policy.freezes import entry

    print_entries(request, [entry(freeze, request.now or current_time())], result)
