"""``rollstep plan``."""

from __future__ import annotations

import json
from datetime import datetime

import click

from renderer.commands import options


@click.command("plan")
@options.targets
@options.now
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="The form of the plan.",
)
@options.allow_exec
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Show every step of each TARGET that is still to come: a row for each commit.

    A row has the replicas and the traffic weight of each ReplicaSet, what starts and ends the step, and the largest
    number of pods during it. Where no release is in progress, the plan is that of the next one.

    Example: rollstep plan prod/web --output markdown
    """
    from renderer.plan import plan_markdown, plan_text
    from renderer.plan_release import plan_releases

    plans = plan_releases(directory, targets, now)
    if output == "json":
        entries = [{"app": ref.name, "environment": ref.environment, **plan.to_dict()} for ref, plan in plans]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for number, (ref, plan) in enumerate(plans):
        title = f"{ref.name} ({ref.environment}): {plan.summary}"
        if number:
            click.echo()
        click.echo(f"### {title}\n" if output == "markdown" else title)
        click.echo(plan_markdown(plan) if output == "markdown" else plan_text(plan), nl=False)
