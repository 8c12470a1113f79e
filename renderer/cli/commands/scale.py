"""``rollstep scale``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.command("scale")
@options.targets
@click.option("--replicas", type=click.IntRange(min=0), metavar="N", help="The number of pods.")
@options.committing
def command(request: options.Request, replicas: int | None) -> None:
    """Set spec.replicas of each TARGET's Rollout and scale its ReplicaSets, also during a release.

    The number of pods may also be the last argument.

    A HorizontalPodAutoscaler of the Rollout owns the number of pods: 0 switches it off, another number on again.

    Example: rollstep scale prod/web --replicas 10
    """
    from msgspec.structs import replace

    from renderer.pipeline.resolve.verb_moves import acting, scaling

    *targets, last = request.targets or ("",)
    if replicas is None and last.isdecimal():
        request, replicas = replace(request, targets=tuple(targets)), int(last)
    if replicas is None:
        raise click.UsageError("name the number of pods: --replicas N")
    run_verb(request, "scale", acting(scaling(replicas)))
