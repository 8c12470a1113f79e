"""``rollstep retry``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options


@click.command("retry")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Start an aborted release of each TARGET again from its first step.

    Example: rollstep retry prod/web
    """
    from renderer.pipeline.commit.part import Request
    from renderer.pipeline.resolve.verb_moves import acting
    from renderer.rollouts import actions
    from renderer.verbs.release.session import Session

    session = Session(Request(directory, targets, **choices))
    session.run(acting(actions.retry), "retry", session.refs)
