"""``rollstep status``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options


@click.command("status")
@options.targets
@options.now
@options.output
@options.allow_exec
@click.pass_obj
def command(directory: str, /, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Tell where each TARGET stands, a line each; exit 1 where one is Degraded, as kubectl argo rollouts does.

    Example: rollstep status prod
    """
    from renderer.kubernetes.printing import text_table
    from renderer.pipeline.load.workspace import Workspace, current_time
    from renderer.verbs.apps.merge_time import pauses_of
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.show.status import STATUS_COLUMNS, status_row

    releases = open_releases(Workspace.open(directory), targets, now or current_time())
    pauses = zip(releases, pauses_of(releases), strict=True)
    rows = [status_row(release.app.ref, release.world, paused) for release, paused in pauses]
    if output == "json":
        from renderer.kubernetes.printing import to_json

        text = to_json(rows)
    else:
        cells = [["" if row[key] is None else str(row[key]) for key in STATUS_COLUMNS.values()] for row in rows]
        text = text_table([list(STATUS_COLUMNS), *cells])
    click.echo(text, nl=False)
    sys.exit(1 if any(row["phase"] == "Degraded" for row in rows) else 0)
