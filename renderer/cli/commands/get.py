"""``rollstep get``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import PRINT, painted_phases
from renderer.cli.session import open_workspace
from renderer.cli.watch import watch, watch_option


@click.command("get")
@options.targets
@watch_option
@options.now
@options.output_format("text", "wide", "json", "yaml")
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], again: bool, now: datetime | None, output: str) -> None:
    """Show each TARGET like `kubectl argo rollouts get rollout`, from git alone.

    Prints a tree of revisions and ReplicaSets with their roles (stable, canary, active, preview), replicas and weights,
    the step, and the reason and end of a pause. `wide` adds the images.

    Example: rollstep get prod/web
    """
    from renderer.errors import require
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.apps.status_history import waits_of
    from renderer.verbs.policy.listed_image import waiting_image_text
    from renderer.verbs.policy.quarantine import load_quarantine
    from renderer.verbs.show.tree import rollout_info, tree_text

    workspace = open_workspace(directory)

    def show() -> list[str]:
        time = now or current_time()
        releases, findings = open_releases(workspace, targets, time)
        waits = zip(releases, waits_of(releases), strict=True)
        listed = load_quarantine(workspace.root)
        infos = []
        for release, wait in waits:
            ref, world = release.app.ref, release.world
            infos.append((ref, rollout_info(world, ref.target, wait, waiting_image_text(listed, ref, world))))
        if output in PRINT:
            PRINT[output]([{"app": ref.name, "environment": ref.environment, **info.to_dict()} for ref, info in infos])
        else:
            is_wide, bars = output == "wide", sys.stdout.isatty()
            texts = (tree_text(info, time, ref, wide=is_wide, bars=bars) for ref, info in infos)
            click.echo(painted_phases("\n".join(texts)), nl=False)
        require(findings)
        return [info.phase for _, info in infos]

    watch(show, again=again)
