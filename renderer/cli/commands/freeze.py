"""``rollstep freeze``: times in which no release goes forward."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER

if TYPE_CHECKING:
    from renderer.git.commit import CommitResult


@click.group("freeze")
def command() -> None:
    """Keep releases where they are for a time.

    The freezes stand in freezes.yaml at the repository's root. While one holds, no verb takes a release of its
    environments forward, and `rollstep verify` refuses a commit that does; the way back is open.

    Example: rollstep freeze add --until 2027-01-04T08:00:00+01:00 --reason "End of the year" --env prod
    """


@command.command("add")
@click.option("--until", required=True, callback=options.read_time, metavar="TIME", help="When it ends, with its zone.")
@click.option("--reason", required=True, help="Why: shown to everybody who is held up.")
@click.option("--from", "start", callback=options.read_time, metavar="TIME", help="When it begins. Default: now.")
@click.option("--env", "environments", multiple=True, metavar="ENV", help="An environment. Default: all.")
@click.option("--name", default="", help="What `freeze lift` calls it. Default: made of the reason.")
@options.push
@click.option("--allow-detached", is_flag=True, help="Commit on a detached HEAD, too.")
@options.dry_run
@options.now
@click.pass_obj
def add(
    directory: str,
    until: datetime,
    reason: str,
    start: datetime | None,
    environments: tuple[str, ...],
    name: str,
    push: bool,
    allow_detached: bool,
    dry_run: bool,
    now: datetime | None,
) -> None:
    """Add a freeze, and commit it.

    Example: rollstep freeze add --until 2027-01-04T08:00:00+01:00 --reason "End of the year" --env prod
    """
    from renderer.verbs.freeze import FreezeRequest, add_freeze

    request = FreezeRequest(directory, now, dry_run, allow_detached, push)
    freeze, result = add_freeze(
        request, REPORTER.note, environments=environments, start=start, until=until, reason=reason, name=name
    )
    _tell(result)
    click.echo(f"{freeze.name}: `rollstep freeze lift {freeze.name}` lifts it", err=True)


@command.command("list")
@options.now
@options.output
@click.pass_obj
def show(directory: str, now: datetime | None, output: str) -> None:
    """List the freezes, and which of them hold now.

    Example: rollstep freeze list
    """
    from renderer.kubernetes.printing import text_table
    from renderer.kubernetes.times import format_time
    from renderer.pipeline.load.workspace import Workspace, current_time
    from renderer.verbs.policy.freezes import load_freezes, to_dict

    freezes = load_freezes(Workspace.open(directory).root)
    now = now or current_time()
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entries = [{**to_dict(freeze), "state": freeze.state(now)} for freeze in freezes]
        click.echo(to_json(entries), nl=False)
        return
    rows = [["NAME", "ENVIRONMENTS", "FROM", "UNTIL", "STATE", "REASON"]]
    for freeze in freezes:
        times = [format_time(freeze.start), format_time(freeze.until)]
        rows.append([freeze.name, freeze.where, *times, freeze.state(now), freeze.reason])
    click.echo(text_table(rows), nl=False)


@command.command("lift")
@click.argument("name")
@click.option("--reason", default="", help="Why it ends before its time.")
@options.push
@click.option("--allow-detached", is_flag=True, help="Commit on a detached HEAD, too.")
@options.dry_run
@options.now
@click.pass_obj
def lift(
    directory: str,
    name: str,
    reason: str,
    push: bool,
    allow_detached: bool,
    dry_run: bool,
    now: datetime | None,
) -> None:
    """Take the freeze NAME away, and commit that.

    Example: rollstep freeze lift end-of-the-year --reason "The fix has to go out"
    """
    from renderer.verbs.freeze import FreezeRequest, lift_freeze

    _, result = lift_freeze(FreezeRequest(directory, now, dry_run, allow_detached, push), REPORTER.note, name, reason)
    _tell(result)


def _tell(result: CommitResult | None) -> None:
    if result is not None:
        click.echo(result.text())
