"""``rollstep plan``."""

from __future__ import annotations

from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import print_json, say
from renderer.cli.session import open_workspace


@click.command("plan")
@options.targets
@options.now
@options.output_format("text", "svg", "html", "mermaid", "markdown", "json")
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Show the remaining steps of each TARGET, one row per commit.

    A row has the replicas and the traffic weight of each ReplicaSet, what starts and ends the step, and the largest
    number of pods during it. If no release is in progress, the plan is that of the next one.

    `svg` and `html` print a picture of the release; `mermaid` prints one in Markdown, which many forges draw.

    Example: rollstep plan prod/web --output svg > web.svg
    """
    from renderer.errors import require
    from renderer.verbs.show.plan import plan_releases
    from renderer.verbs.show.plan_table import plan_text

    plans, findings = plan_releases(open_workspace(directory), targets, now)
    if output == "json":
        print_json([{"app": ref.name, "environment": ref.environment, **plan.to_dict()} for ref, plan in plans])
    elif output == "text":
        titled = ((f"{ref.name} ({ref.environment}): {plan.summary}", plan) for ref, plan in plans)
        say("\n".join(f"{title}\n{plan_text(plan)}" for title, plan in titled), nl=False)
    else:
        from renderer.verbs.show.pictures import DRAWINGS
        from renderer.verbs.show.pictures.staircase import staircase

        say(DRAWINGS[output]([staircase(ref.name, ref.environment, plan) for ref, plan in plans]), nl=False)
    require(findings)
