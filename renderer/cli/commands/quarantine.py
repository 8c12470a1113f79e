"""``rollstep quarantine``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_entries, print_json, say

if TYPE_CHECKING:
    from renderer.git.commit import CommitResult
    from renderer.verbs.policy.listed_image import ListedImage


@click.group("quarantine")
def command() -> None:
    """Keep images from being released.

    Images in quarantine are listed in quarantine.yaml at the repository's root. The commit that takes a release back
    after a failed analysis lists its images. No verb begins a release with one of them, and `rollstep verify` refuses a
    commit that does, until the quarantine is lifted. Abort and undo to the stable version stay possible.

    Example: rollstep quarantine list
    """


@command.command("add")
@click.argument("image")
@click.option("--reason", required=True, help="Reason, shown to everybody whose release waits.")
@click.option("--app", default="", metavar="APP", help="App that may not release the image.  [default: all]")
@click.option("--env", "environments", multiple=True, metavar="ENV", help="Environment to guard.  [default: all]")
@options.committing_alone
def add(request: options.Request, image: str, reason: str, app: str, environments: tuple[str, ...]) -> None:
    """Put IMAGE in quarantine and commit that.

    Example: rollstep quarantine add registry.example.com/shop/web:2.0.0 --app web --reason "Loses orders"
    """
    from renderer.verbs.quarantine import add_image

    found, result = add_image(request, REPORTER.note, image, app=app, environments=environments, reason=reason)
    _report(request, found, result)
    if not request.dry_run:
        say(f"`{found[0].lift}` lifts it", err=True)


@command.command("list")
@options.output
@click.pass_obj
def show(directory: str, output: str) -> None:
    """List the images in quarantine.

    Example: rollstep quarantine list
    """
    from renderer.kubernetes.printing import text_table
    from renderer.kubernetes.times import format_time
    from renderer.pipeline.load.workspace import Workspace
    from renderer.verbs.policy.quarantine import entry, load_quarantine

    listed = load_quarantine(Workspace.open(directory).root)
    if output == "json":
        print_json([entry(image) for image in listed])
        return
    rows = [["IMAGE", "APP", "SINCE", "REASON"]]
    rows += ([image.image, image.where, format_time(image.since), image.why] for image in listed)
    say(text_table(rows), nl=False)


@command.command("lift")
@click.argument("image")
@click.option("--reason", required=True, help="Reason, recorded in the commit.")
@click.option("--app", "apps", multiple=True, metavar="APP", help="App whose entry to lift.  [default: all]")
@options.committing_alone
def lift(request: options.Request, image: str, reason: str, apps: tuple[str, ...]) -> None:
    """Take IMAGE out of quarantine and commit that.

    Example: rollstep quarantine lift registry.example.com/shop/web:2.0.0 --reason "The database was down"
    """
    from renderer.verbs.quarantine import lift_image

    found, result = lift_image(request, REPORTER.note, image, apps, reason)
    _report(request, found, result)


def _report(request: options.Request, found: Sequence[ListedImage], result: CommitResult | None) -> None:
    from renderer.verbs.policy.quarantine import entry

    print_entries(request, [entry(image) for image in found], result)
