"""``rollstep scale``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("scale")
@options.targets
@click.option("--replicas", type=click.IntRange(min=0), required=True, metavar="N", help="The Rollout's spec.replicas.")
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], replicas: int, **choices: Any) -> None:
    """Set spec.replicas of each TARGET's Rollout and scale its ReplicaSets, also in the middle of a release.

    Where a HorizontalPodAutoscaler scales the Rollout it owns the number: 0 switches it off, a number on again.

    Example: rollstep scale prod/web --replicas 10
    """
    from renderer.pipeline.resolve.verb_moves import acting, scaling

    with open_session(directory, targets, **choices) as session:
        session.run(acting(scaling(replicas)), "scale", session.refs)
