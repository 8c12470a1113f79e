"""``rollstep set``: changes to the Rollout."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.group("set")
def command() -> None:
    """Change the Rollout.

    Example: rollstep set image prod/web main=registry.example.com/web:2
    """


@command.command("image")
@click.argument("arguments", nargs=-1, required=True, metavar="[TARGET]... CONTAINER=IMAGE...")
@options.committing
@click.pass_obj
def image(directory: str, /, arguments: tuple[str, ...], **choices: Any) -> None:
    """Set the image of containers in each TARGET's Rollout, and begin to roll it out.

    The Rollout's file is edited in place, and the commit holds that edit and the first step. CONTAINER is a name, or *
    for all containers.

    Example: rollstep set image prod/web main=registry.example.com/web:2
    """
    targets = tuple(argument for argument in arguments if "=" not in argument)
    images = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if not images or not all(container and name for container, name in images.items()):
        raise click.UsageError("name at least one image, as CONTAINER=IMAGE")
    from renderer.pipeline.resolve.verb_moves import acting, setting_images

    with open_session(directory, targets, **choices) as session:
        session.run(acting(setting_images(images)), "set image", session.refs)
