"""``rollstep init``."""

from __future__ import annotations

from pathlib import Path

import click

from renderer.cli import options
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS


def _weights(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Return the weights of a canary's steps; refuse what are none."""
    if value is None:
        return None
    try:
        weights = tuple(int(part) for part in value.split(","))
    except ValueError:
        weights = (-1,)
    if any(not 0 <= weight <= 100 for weight in weights):
        raise click.BadParameter(f"{value!r} are no percentages such as 20,40,60", ctx, param)
    return weights


@click.command("init")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("--env", "environments", multiple=True, metavar="NAME", help="An environment to make; prod by default.")
@click.option("--app", default="", metavar="NAME", help="The app's name in place of its workload's.")
@click.option(
    "--strategy",
    type=click.Choice(["canary", "blueGreen"]),
    default="canary",
    show_default=True,
    help="For Deployments.",
)
@click.option("--steps", callback=_weights, metavar="WEIGHTS", help="The canary's weights; 20,40,60 by default.")
@click.option(
    "--sync",
    type=click.Choice([name for name, tool in SYNC_TOOLS.items() if tool.objects]),
    help="Write what lets this tool follow the apps.",
)
@options.dry_run
@options.output
@click.pass_obj
def command(
    directory: str,
    /,
    paths: tuple[str, ...],
    environments: tuple[str, ...],
    app: str,
    strategy: str,
    steps: tuple[int, ...] | None,
    sync: str | None,
    dry_run: bool,
    output: str,
) -> None:
    """Scaffold environments/ENV/APP/ and rollstep.yaml from manifests that exist.

    A Rollout goes in as it is, with the Services and Ingresses that belong to it. Where there is none, each Deployment
    is turned into a Rollout: a canary whose weights nginx sets where an nginx Ingress leads to it, a canary by numbers
    of pods elsewhere, or a blue-green release. What was left out or needs a look is told. Nothing is written unless
    the result can be released, and no file that is there already is changed. --sync writes the ApplicationSets of Argo
    CD, or the GitRepositories and Kustomizations of Flux, into sync/.

    Example: rollstep init manifests/ --env staging --env prod

    Example: helm template web ./chart | rollstep init - --steps 10,50
    """
    from renderer.verbs.init import Choices
    from renderer.verbs.init.files import InitRequest, initialize, next_commands, tree

    if strategy == "blueGreen" and steps is not None:
        raise click.UsageError("--steps are a canary's; blueGreen has none")
    choices = Choices(strategy) if steps is None else Choices(strategy, steps)
    result = initialize(InitRequest(directory, paths, environments, app, choices, dry_run, sync or ""))
    commands = next_commands(result, Path(directory).resolve())
    if output == "json":
        from renderer.kubernetes.printing import to_json

        entry = {
            "dryRun": dry_run,
            "apps": [
                {
                    "app": name,
                    "environment": environment,
                    "files": [{"path": file.path, "new": file.is_new, "from": list(file.origins)} for file in files],
                }
                for environment, name, files in result.apps
            ],
            "settings": {"path": result.settings.path, "new": result.settings.is_new},
            "sync": [{"path": file.path, "new": file.is_new} for file in result.sync],
            "notes": [note.to_dict() for note in result.notes],
            "next": commands,
        }
        click.echo(to_json(entry), nl=False)
        return
    for note in result.notes:
        click.echo(f"note: {note.text()}", err=True)
    if not result.in_git:
        click.echo("note: this is no git repository: releases need one", err=True)
    click.echo("\n".join(tree(result)))
    made = "would be made" if dry_run else "made"
    number = sum(file.is_new for file in result.files)
    click.echo(f"{number} file{'' if number == 1 else 's'} {made}. Next:", err=True)
    for line in commands:
        click.echo(f"  {line}", err=True)
