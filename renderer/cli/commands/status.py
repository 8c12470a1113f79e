"""``rollstep status``."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from renderer.cli import options
from renderer.cli.reporter import print_json
from renderer.cli.session import open_workspace


@click.command("status")
@options.targets
@options.now
@options.output
@options.allow_exec
@click.pass_obj
def command(directory: str, targets: tuple[str, ...], now: datetime | None, output: str) -> None:
    """Show the status of each TARGET, one line each.

    Exit codes: 1 if a release is Degraded, like `kubectl argo rollouts status`, else 0.

    Example: rollstep status prod
    """
    from renderer.errors import require
    from renderer.kubernetes.printing import text_table
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.apps.open import open_releases
    from renderer.verbs.apps.status_history import waits_of
    from renderer.verbs.show.status import COLUMNS, status_cells, status_row

    releases, findings = open_releases(open_workspace(directory), targets, now or current_time())
    waits = zip(releases, waits_of(releases), strict=True)
    rows = [status_row(release.app.ref, release.world, wait) for release, wait in waits]
    if output == "json":
        print_json(rows)
    else:
        cells = [status_cells(row, release.app.ref.target) for row, release in zip(rows, releases, strict=True)]
        click.echo(text_table([list(COLUMNS), *cells]), nl=False)
    require(findings)
    sys.exit(1 if any(row["phase"] == "Degraded" for row in rows) else 0)
