"""``rollstep init``."""

from __future__ import annotations

from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import print_json, say
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS


def _weights(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Return the weights of a canary's steps; refuse anything but percentages."""
    if value is None:
        return None
    try:
        weights = tuple(int(part) for part in value.split(","))
    except ValueError:
        weights = (-1,)
    if any(not 0 <= weight <= 100 for weight in weights):
        raise click.BadParameter(f"{value!r} is not a list of percentages such as 20,40,60", ctx, param)
    return weights


@click.command("init")
@click.argument("paths", nargs=-1, required=True, metavar="FILE|DIR|-...")
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Environment to create.  [default: prod]")
@click.option("--app", default="", metavar="NAME", help="Name of the app.  [default: its workload's name]")
@click.option(
    "--strategy",
    type=click.Choice(["canary", "blueGreen"]),
    default="canary",
    show_default=True,
    help="Strategy for Deployments.",
)
@click.option("--steps", callback=_weights, metavar="WEIGHTS", help="Weights of the canary.  [default: 20,40,60]")
@click.option(
    "--sync",
    type=click.Choice([name for name, tool in SYNC_TOOLS.items() if tool.objects]),
    help="Also write the objects with which this sync tool follows the apps.",
)
@options.dry_run
@options.output
@click.pass_obj
def command(
    directory: str,
    paths: tuple[str, ...],
    environments: tuple[str, ...],
    app: str,
    strategy: str,
    steps: tuple[int, ...] | None,
    sync: str | None,
    dry_run: bool,
    output: str,
) -> None:
    """Create environments/ENV/APP/ and rollstep.yaml from existing manifests.

    A Rollout is copied as it is, with its Services and Ingresses. If there is none, each Deployment is converted to a
    Rollout: a canary with weights set by nginx if an nginx Ingress leads to it, a canary by numbers of pods otherwise,
    or a blue-green release. Notes list what was left out and what needs attention. Nothing is written unless the
    result can be released, and existing files are never changed. environments/.gitattributes keeps git from merging
    rendered files line by line. --sync writes the ApplicationSets of Argo CD, or the
    GitRepositories and Kustomizations of Flux, to sync/.

    Example: rollstep init manifests/ --env staging --env prod

    Example: helm template web ./chart | rollstep init - --steps 10,50
    """
    from renderer.verbs.init import Choices
    from renderer.verbs.init.files import InitRequest, initialize, next_commands, tree

    if strategy == "blueGreen" and steps is not None:
        raise click.UsageError("--steps goes with a canary; blueGreen has none")
    choices = Choices(strategy) if steps is None else Choices(strategy, steps)
    result = initialize(InitRequest(directory, paths, environments, app, choices, dry_run, sync or ""))
    commands = next_commands(result, Path(directory).resolve())
    if output == "json":
        print_json(
            {
                "dryRun": dry_run,
                "apps": [
                    {
                        "app": name,
                        "environment": environment,
                        "files": [
                            {"path": file.path, "new": file.is_new, "from": list(file.origins)} for file in files
                        ],
                    }
                    for environment, name, files in result.apps
                ],
                "settings": {"path": result.settings.path, "new": result.settings.is_new},
                "sync": [{"path": file.path, "new": file.is_new} for file in result.sync],
                "moves": [
                    {
                        "app": moving.app,
                        "environment": moving.environment,
                        "deployment": moving.deployment,
                        "commands": list(moving.commands),
                    }
                    for moving in result.moves
                ],
                "attributes": [{"path": file.path, "new": file.is_new} for file in result.attributes],
                "notes": [note.to_dict() for note in result.notes],
                "next": commands,
            }
        )
        return
    for note in result.notes:
        say(f"note: {note.text()}", err=True)
    if not result.in_git:
        say("note: this is not a git repository: releases need one", err=True)
    say("\n".join(tree(result)))
    number = sum(file.is_new for file in result.files)
    action = "would be created" if dry_run else "created"
    say(f"{number} file{'' if number == 1 else 's'} {action}. Next:", err=True)
    for line in commands:
        say(f"  {line}", err=True)
    for moving in result.moves:
        say(f"{moving.title()}:", err=True)
        for line in moving.commands:
            say(f"  {line}", err=True)
