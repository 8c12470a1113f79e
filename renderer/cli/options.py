"""Options that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click

from renderer.pipeline.load import ALLOW_EXEC

Function = TypeVar("Function", bound=Callable[..., Any])


def read_time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return the time in UTC, to the second; refuse a text that is none or has no zone."""
    if value is None:
        return None
    from renderer.kubernetes.times import parse_time

    try:
        return parse_time(value).replace(microsecond=0)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a time such as 2026-01-31T12:00:00Z", ctx, param) from error


def let_execute(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Say for this run, and for what it starts, that programs which ``rollstep.yaml`` names may run."""
    before = os.environ.get(ALLOW_EXEC)
    if value and before != "1":
        os.environ[ALLOW_EXEC] = "1"
        ctx.call_on_close(
            lambda: os.environ.pop(ALLOW_EXEC) if before is None else os.environ.update({ALLOW_EXEC: before})
        )


targets = click.argument("targets", nargs=-1, metavar="[TARGET]...")
target = click.argument("target")
now = click.option(
    "--now", callback=read_time, metavar="TIME", help="Take this as the current time, such as 2026-01-31T12:00:00Z."
)
output = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The form of the report.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Tell what would be done; write nothing.")
validate = click.option(
    "--validate/--no-validate", default=True, show_default=True, help="Check what is rendered with kubeconform."
)

jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    callback=lambda _, __, value: value or 0,
    metavar="N",
    help="Work in N processes (default: as many as pay).",
)
push = click.option("--push", is_flag=True, help="Push what was committed, on top of what others pushed first.")

allow_exec = click.option(
    "--allow-exec",
    is_flag=True,
    expose_value=False,
    callback=let_execute,
    help=f"Run the programs that rollstep.yaml names as sources: where you trust it. Or set {ALLOW_EXEC}=1.",
)


def committing(function: Function) -> Function:
    """Add the options of every verb that makes a commit."""
    for option in (
        click.option("-m", "--message", help="The commit's subject, in place of the one that tells the step."),
        click.option(
            "--include-sources",
            is_flag=True,
            help="Commit uncommitted changes of the app's own manifests as well.",
        ),
        push,
        click.option("--allow-detached", is_flag=True, help="Commit on a detached HEAD, too."),
        click.option("--break-glass", metavar="REASON", help="Go forward although a freeze or an approval is missing."),
        allow_exec,
        jobs,
        validate,
        dry_run,
        output,
        now,
    ):
        function = option(function)
    return function
