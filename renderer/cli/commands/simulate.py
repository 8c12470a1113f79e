"""``rollstep simulate``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import say
from renderer.rollouts.model.versions import DEFAULT_VERSION, VERSIONS


@click.command("simulate")
@click.argument("scenario", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@options.output_format("table", "json")
@click.option(
    "--controller-version",
    "profile",
    type=click.Choice(VERSIONS[::-1]),
    default=DEFAULT_VERSION,
    show_default=True,
    help="Controller version to compute the pod-template-hash for.",
)
def command(scenario: str, output: str, profile: str) -> None:
    """Run the actions of SCENARIO and print a frame after each of them.

    SCENARIO is a YAML file. Its first document has the kind Scenario and a list of actions (setImage, promote,
    promoteFull, skipStep, abort, retry, undo, restart, scale, pause, resume, patch, patchObject, hold, release, sleep).
    The manifests to apply first follow it. The ReplicaSet controller is simulated: pods become available as soon as
    nothing else moves, unless the scenario holds them.

    Example: rollstep simulate canary.yaml --output json
    """
    import json

    from renderer.kubernetes.printing import escaped_json
    from renderer.rollouts.simulator.frames import to_document
    from renderer.rollouts.simulator.scenario import read_scenario, simulate
    from renderer.rollouts.simulator.table import to_table

    with click.open_file(scenario, encoding="utf-8") as file:
        text = file.read()
    read = read_scenario(text, scenario)
    frames = list(simulate(read, profile))
    if output == "json":
        say(escaped_json(json.dumps(to_document(read, frames), indent=1, ensure_ascii=False)))
    else:
        say(to_table(frames), nl=False)
