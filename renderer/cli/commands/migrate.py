"""``rollstep migrate``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import say
from renderer.cli.session import open_session


@click.command("migrate")
@click.argument("router", type=click.Choice(["gateway-api"]))
@options.targets
@click.option("--gateway", metavar="[NAMESPACE/]NAME", help="The Gateway to attach the routes to.")
@click.option("--listener", default="", metavar="NAME", help="The Gateway's listener.  [default: all of them]")
@click.option("--finish", is_flag=True, help="Remove the old router, once requests come by the new one.")
@click.option("--allow-differences", is_flag=True, help="Continue even if the routes do less than the Ingresses.")
@options.committing
def command(
    request: options.Request,
    router: str,
    gateway: str | None,
    listener: str,
    finish: bool,
    allow_differences: bool,
) -> None:
    """Migrate each TARGET from nginx to ROUTER, between releases or during one.

    The first commit adds HTTPRoutes beside the Ingresses, with equal weights; every verb keeps the weights equal. Once
    requests come by the Gateway, --finish removes the Ingresses. `git revert` undoes either commit.

    Example: rollstep migrate gateway-api prod/web --gateway infra/public
    """
    if finish == (gateway is not None):
        raise click.UsageError("use --gateway [NAMESPACE/]NAME first, and --finish later")
    from renderer.pipeline.resolve.http_routes import Gateway
    from renderer.pipeline.resolve.migration import MIGRATIONS

    beginning, finishing = MIGRATIONS[router]
    with open_session(request) as session:
        if finish:
            session.run(finishing, "migrate", session.refs)
            return
        namespace, _, name = (gateway or "").rpartition("/")
        notes: list[str] = []
        verb = beginning(Gateway(name, namespace, listener), allow_differences=allow_differences, notes=notes)
        session.run(verb, "migrate", session.refs, is_pure=False)
        for note in dict.fromkeys(notes):
            say(f"note: {note}", err=True)
