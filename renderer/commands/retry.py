"""``rollstep retry``."""

from __future__ import annotations

from typing import Any

import click

from renderer.commands import options


@click.command("retry")
@options.targets
@options.committing
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], **choices: Any) -> None:
    """Start an aborted release of each TARGET again from its first step.

    Example: rollstep retry prod/web
    """
    from renderer.engine import actions
    from renderer.operate import Request, Session
    from renderer.verbs import acting

    session = Session(Request(directory, targets, **choices))
    session.run(acting(actions.retry), "retry", session.refs)
