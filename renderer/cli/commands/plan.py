"""``rollstep plan``."""

from __future__ import annotations

from datetime import datetime

import click

from renderer.cli import options


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
    from renderer.pipeline.load.workspace import Workspace
    from renderer.verbs.show.plan import plan_markdown, plan_releases, plan_text

    plans = plan_releases(Workspace.open(directory), targets, now)
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entries = [{"app": ref.name, "environment": ref.environment, **plan.to_dict()} for ref, plan in plans]
        text = to_json(entries)
    else:
        start, table = ("### {}\n\n", plan_markdown) if output == "markdown" else ("{}\n", plan_text)
        titled = ((f"{ref.name} ({ref.environment}): {plan.summary}", plan) for ref, plan in plans)
        text = "\n".join(start.format(title) + table(plan) for title, plan in titled)
    click.echo(text, nl=False)
