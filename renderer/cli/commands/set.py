"""``rollstep set``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.session import run_verb


@click.group("set")
def command() -> None:
    """Update the Rollout.

    Example: rollstep set image prod/web main=registry.example.com/web:2
    """


@command.command("image")
@click.argument("targets", nargs=-1, required=True, metavar="[TARGET]... CONTAINER=IMAGE...")
@options.committing
def image(request: options.Request) -> None:
    """Set the image of containers in each TARGET's Rollout, and start the release.

    Edits the Rollout's file in place; the commit holds this edit and the first step. CONTAINER is the name of a
    container, or * for all containers.

    Example: rollstep set image prod/web main=registry.example.com/web:2
    """
    targets = tuple(argument for argument in request.targets if "=" not in argument)
    images = dict(argument.split("=", 1) for argument in request.targets if "=" in argument)
    if not images or not all(container and name for container, name in images.items()):
        raise click.UsageError("name at least one image, as CONTAINER=IMAGE")
    from msgspec.structs import replace

    from renderer.pipeline.resolve.verb_moves import beginning, setting_images

    run_verb(replace(request, targets=targets), "set image", beginning(setting_images(images)))
