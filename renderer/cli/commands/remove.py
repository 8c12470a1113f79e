"""``rollstep remove``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_json


@click.command("remove")
@options.targets
@click.option("--all", "everything", is_flag=True, help="Remove every app that has lost its manifests.")
@click.option("--sources", is_flag=True, help="Also remove the app's own manifests: it leaves the cluster.")
@click.option(
    "--shared", is_flag=True, help="Remove it although another app of the environment has some of its objects."
)
@click.option("-m", "--message", help="Subject of the commit, in place of the generated one.")
@options.committing_alone
def command(request: options.Request, everything: bool, sources: bool, shared: bool) -> None:
    """Remove each TARGET: commit that nothing of the app is applied any more.

    The commit removes status.yaml, the rendered files and the app's file in sync/, and an environment's branch loses
    the app. An app that still has its manifests is refused without --sources, and one that shares objects with another
    app without --shared. A note says what the sync tool has to do; docs/how-to/apps.md has the details.

    Example: rollstep remove prod/web
    """
    if everything == bool(request.targets) or (everything and sources):
        raise click.UsageError("name the apps to remove, or --all for those that have lost their manifests")
    from renderer.verbs.release.run import rendered_text
    from renderer.verbs.remove import remove

    removed = remove(request, REPORTER.note, everything=everything, sources=sources, shared=shared)
    commit = removed.commit
    if request.output == "json":
        print_json(
            [
                {
                    "app": home.ref.name,
                    "environment": home.ref.environment,
                    "dryRun": request.dry_run,
                    "commit": commit.sha if commit else None,
                    "subject": commit.subject if commit else None,
                    "files": list(commit.paths) if commit else [],
                }
                for home in removed.homes
            ]
        )
        return
    if commit is not None:
        REPORTER.out(f"{commit.text()}\n")
    for rendered in removed.rendered:
        REPORTER.out(f"{rendered_text(rendered)}\n")
    for line in removed.notes:
        REPORTER.note(line)
