"""``rollstep get``."""

from __future__ import annotations

from datetime import datetime

import click

from renderer.cli import options


@click.command("get")
@options.targets
@options.now
@options.output
@options.allow_exec
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Show each TARGET as `kubectl argo rollouts get rollout` does, from git alone.

    That is a tree of revisions and ReplicaSets with their marks (stable, canary, active, preview), replicas and
    weights, the step, and why and until when the release is paused.

    Example: rollstep get prod/web
    """
    from renderer.pipeline.load.workspace import Workspace, current_time
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.show.tree import rollout_info, tree_text

    time = now or current_time()
    releases = open_releases(Workspace.open(directory), targets, time)
    infos = [(release.app.ref, rollout_info(release.world)) for release in releases]
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entries = [{"app": ref.name, "environment": ref.environment, **info.to_dict()} for ref, info in infos]
        click.echo(to_json(entries), nl=False)
        return
    click.echo("\n".join(tree_text(info, time, ref.environment) for ref, info in infos), nl=False)
