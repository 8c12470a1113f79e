"""Options that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from renderer.pipeline.load import ALLOW_EXEC

if TYPE_CHECKING:
    from renderer.pipeline.commit.part import Request as Request

Function = TypeVar("Function", bound=Callable[..., Any])


def read_time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return the time in UTC, to the second; refuse an invalid time and one without a zone."""
    if value is None:
        return None
    from renderer.kubernetes.times import parse_time

    try:
        return parse_time(value).replace(microsecond=0)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a time such as 2026-01-31T12:00:00Z", ctx, param) from error


def _allow_exec(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Set the variable that allows programs, for this run and its child processes."""
    before = os.environ.get(ALLOW_EXEC)
    if value and before != "1":
        os.environ[ALLOW_EXEC] = "1"
        ctx.call_on_close(
            lambda: os.environ.pop(ALLOW_EXEC) if before is None else os.environ.update({ALLOW_EXEC: before})
        )


def _refuse_git_options(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    if any(value.startswith("-") for value in values):
        raise click.UsageError("RANGE takes no options of git")
    return values


def output_format(*formats: str) -> Callable[[Function], Function]:
    """Return the option ``--output``; the first of ``formats`` is the default."""
    choice = click.Choice(formats)
    return click.option("-o", "--output", type=choice, default=formats[0], show_default=True, help="Output format.")


targets = click.argument("targets", nargs=-1, metavar="[TARGET]...")
every = click.option("--all", "every", is_flag=True, help="Name every app, in place of TARGETs.")
yes = click.option("-y", "--yes", is_flag=True, help="Do not ask before several production apps change.")
revisions = click.argument("revisions", nargs=-1, metavar="[RANGE]", callback=_refuse_git_options)
now = click.option(
    "--now", callback=read_time, metavar="TIME", help="Use TIME as the current time, such as 2026-01-31T12:00:00Z."
)
output = output_format("text", "json")
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done; write nothing.")
validate = click.option(
    "--validate/--no-validate", default=True, show_default=True, help="Validate the rendered manifests."
)
jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    callback=lambda _, __, value: value or 0,
    metavar="N",
    help="Number of processes.  [default: depends on the number of apps]",
)
push = click.option("--push", is_flag=True, help="Push the commit; if others have pushed first, repeat it on top.")
allow_detached = click.option("--allow-detached", is_flag=True, help="Allow a commit on a detached HEAD.")
allow_exec = click.option(
    "--allow-exec",
    is_flag=True,
    expose_value=False,
    callback=_allow_exec,
    help=f"Run the source commands in rollstep.yaml. Only for repositories that you trust. Same as {ALLOW_EXEC}=1.",
)


def with_request(function: Callable[..., None]) -> Callable[..., None]:
    """Pass the options that are fields of ``Request`` as one ``Request``, and the others as keywords."""

    @click.pass_obj
    @wraps(function)
    def call(directory: str, /, **options: Any) -> None:
        from renderer.pipeline.commit.part import Request

        shared = {name: options.pop(name) for name in Request.__struct_fields__ if name in options}
        function(Request(directory, **{"targets": (), **shared}), **options)

    return call


def committing_alone(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command whose commit is no step of a release, and pass them as a ``Request``."""
    function = with_request(function)
    for option in (now, output, dry_run, allow_detached, push):
        function = option(function)
    return function


def committing(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every verb that commits, and pass them as a ``Request``."""
    function = with_request(function)
    for option in (
        click.option("-m", "--message", help="Subject of the commit, in place of the generated one."),
        click.option("--include-sources", is_flag=True, help="Also commit uncommitted changes of the app's sources."),
        push,
        allow_detached,
        click.option(
            "--break-glass", metavar="REASON", help="Go forward despite a freeze, a lag or missing approvals."
        ),
        allow_exec,
        jobs,
        validate,
        dry_run,
        output,
        now,
        yes,
        every,
    ):
        function = option(function)
    return function
