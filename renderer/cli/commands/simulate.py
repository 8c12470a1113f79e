"""``rollstep simulate``: a scenario through the engine, in a simulated cluster."""

from __future__ import annotations

import click

from renderer.rollouts.model.versions import DEFAULT_VERSION, VERSIONS


@click.command("simulate")
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the frames.",
)
@click.option(
    "--controller-version",
    "profile",
    type=click.Choice(VERSIONS[::-1]),
    default=DEFAULT_VERSION,
    show_default=True,
    help="The controller whose pod-template-hash is used.",
)
def command(scenario: str, output: str, profile: str) -> None:
    """Run the actions of SCENARIO and print a frame after each of them.

    SCENARIO is a YAML file: a first document of kind Scenario with a list of actions (setImage, promote, promoteFull,
    skipStep, abort, retry, undo, restart, scale, pause, resume, patch, patchObject, hold, release, sleep), then the
    manifests that are applied first.  The ReplicaSet controller is simulated: pods are there as soon as nothing else
    moves, unless the scenario says hold.

    Example: rollstep simulate canary.yaml --output json
    """
    import json

    from renderer.rollouts.simulator.frames import to_document
    from renderer.rollouts.simulator.scenario import read_scenario, simulate
    from renderer.rollouts.simulator.table import to_table

    with click.open_file(scenario, encoding="utf-8") as file:
        text = file.read()
    read = read_scenario(text, scenario)
    frames = list(simulate(read, profile))
    if output == "json":
        click.echo(json.dumps(to_document(read, frames), indent=1, ensure_ascii=False))
    else:
        click.echo(to_table(frames), nl=False)
