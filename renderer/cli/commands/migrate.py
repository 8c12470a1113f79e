"""``rollstep migrate``."""

from __future__ import annotations

from typing import Any

import click

from renderer.cli import options
from renderer.cli.session import open_session


@click.command("migrate")
@click.argument("router", type=click.Choice(["gateway-api"]))
@options.targets
@click.option("--gateway", metavar="[NAMESPACE/]NAME", help="The Gateway that the routes hang on.")
@click.option("--listener", default="", metavar="NAME", help="The Gateway's listener; without it, all of them.")
@click.option("--finish", is_flag=True, help="Take the old router away, once requests come by the new one.")
@click.option("--allow-differences", is_flag=True, help="Go on where the routes don't do all that the Ingresses do.")
@options.committing
@click.pass_obj
def command(
    directory: str,
    /,
    router: str,
    targets: tuple[str, ...],
    gateway: str | None,
    listener: str,
    finish: bool,
    allow_differences: bool,
    **choices: Any,
) -> None:
    """Move each TARGET from nginx to ROUTER, between releases or in the middle of one.

    The first commit puts HTTPRoutes beside the Ingresses, with equal weights; every verb keeps them equal. When
    requests come by the Gateway, --finish takes the Ingresses away. `git revert` takes either commit back.

    Example: rollstep migrate gateway-api prod/web --gateway infra/public
    """
    if finish == (gateway is not None):
        raise click.UsageError("use --gateway [NAMESPACE/]NAME first, and --finish later")
    from renderer.pipeline.resolve.http_routes import Gateway
    from renderer.pipeline.resolve.migration import MIGRATIONS

    beginning, finishing = MIGRATIONS[router]
    with open_session(directory, targets, **choices) as session:
        if finish:
            session.run(finishing, "migrate", session.refs)
            return
        namespace, _, name = (gateway or "").rpartition("/")
        notes: list[str] = []
        verb = beginning(Gateway(name, namespace, listener), allow_differences=allow_differences, notes=notes)
        session.run(verb, "migrate", session.refs, is_alone=False)
        for line in dict.fromkeys(notes):
            click.echo(f"note: {line}", err=True)
