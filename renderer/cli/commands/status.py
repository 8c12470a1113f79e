"""``rollstep status``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import PRINT, painted_phases
from renderer.cli.session import open_workspace
from renderer.cli.watch import watch, watch_option


@click.command("status")
@options.targets
@watch_option
@options.now
@options.output_format("text", "json", "yaml")
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], again: bool, now: datetime | None, output: str) -> None:
    """Show the status of each TARGET, one line each.

    Exit codes: 1 if a release is Degraded, like `kubectl argo rollouts status`, or if an app is Orphaned: it has no
    manifests any more, and is still applied. Else 0.

    Example: rollstep status prod

    Example: rollstep status prod/web --watch
    """
    from renderer.errors import require
    from renderer.kubernetes.printing import text_table
    from renderer.pipeline.load.workspace import current_time
    from renderer.rollouts.controller.defaults import max_traffic_weight
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.apps.status_history import waits_of
    from renderer.verbs.policy.listed_image import waiting_image_text
    from renderer.verbs.policy.quarantine import load_quarantine
    from renderer.verbs.show.status import COLUMNS, ORPHANED, orphan_row, status_cells, status_row

    workspace = open_workspace(directory)

    def show() -> list[str]:
        releases, findings = open_releases(workspace, targets, now or current_time())
        waits = zip(releases, waits_of(releases), strict=True)
        listed = load_quarantine(workspace.root)
        rows = [
            status_row(ref := release.app.ref, release.world, wait, waiting_image_text(listed, ref, release.world))
            for release, wait in waits
        ]
        orphans = workspace.orphans(targets, [release.app.ref for release in releases])
        rows += [orphan_row(workspace.home(ref)) for ref in orphans]
        if output in PRINT:
            PRINT[output](rows)
        elif rows:
            refs = [*(release.app.ref for release in releases), *orphans]
            most = {release.app.ref: max_traffic_weight(release.world.rollout) for release in releases}
            cells = [
                status_cells(row, ref.target, out_of=most.get(ref, 0) if sys.stdout.isatty() else 0)
                for row, ref in zip(rows, refs, strict=True)
            ]
            click.echo(painted_phases(text_table([list(COLUMNS), *cells])), nl=False)
        require(findings)
        return [row["phase"] for row in rows]

    phases = watch(show, again=again)
    sys.exit(1 if {"Degraded", ORPHANED}.intersection(phases) else 0)
