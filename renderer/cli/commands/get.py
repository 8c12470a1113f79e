"""``rollstep get``."""

from __future__ import annotations

from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import print_json
from renderer.cli.session import open_workspace


@click.command("get")
@options.targets
@options.now
@options.output
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Show each TARGET like `kubectl argo rollouts get rollout`, from git alone.

    Prints a tree of revisions and ReplicaSets with their roles (stable, canary, active, preview), replicas and weights,
    the step, and the reason and end of a pause.

    Example: rollstep get prod/web
    """
    from renderer.errors import require
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.apps.status_history import waits_of
    from renderer.verbs.show.tree import rollout_info, tree_text

    time = now or current_time()
    releases, findings = open_releases(open_workspace(directory), targets, time)
    waits = zip(releases, waits_of(releases), strict=True)
    infos = [(release.app.ref, rollout_info(release.world, release.app.ref.target, wait)) for release, wait in waits]
    if output == "json":
        print_json([{"app": ref.name, "environment": ref.environment, **info.to_dict()} for ref, info in infos])
    else:
        click.echo("\n".join(tree_text(info, time, ref) for ref, info in infos), nl=False)
    require(findings)
