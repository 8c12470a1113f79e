"""``rollstep simulate``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import say
from renderer.errors import UsageError
from renderer.rollouts.model.corrections import ALL, CORRECTIONS, NONE, chosen_corrections
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
    help="Version of the Argo Rollouts controller to follow.",
)
@click.option(
    "--corrections",
    default=NONE,
    show_default=True,
    metavar="all|none|NAME,…",
    help="Faults of the controller to correct (docs/reference/corrections.md).",
)
def command(scenario: str, output: str, profile: str, corrections: str) -> None:
    """Run the actions of SCENARIO and print a frame after each of them.

    SCENARIO is a YAML file. Its first document has the kind Scenario and a list of actions (setImage, promote,
    promoteFull, skipStep, abort, retry, undo, restart, scale, pause, resume, patch, patchObject, hold, release, sleep,
    metric). The manifests to apply first follow it. The ReplicaSet controller is simulated: pods become available as
    soon as nothing else moves, unless the scenario holds them. A sleep lasts some seconds longer than it says, as it
    did in the recordings of the controller.

    With responses in the first document, analyses measure these answers; the action metric changes them.

    A first document of the kind AnalysisScenario is followed by an AnalysisRun, whose web metrics answer as its
    responses say: the status of the run at its end is printed. A file whose name ends in .jsonl has a result with its
    conditions on each line, and the phase of each is printed. See docs/reference/analysis.md.

    Example: rollstep simulate canary.yaml --output json
    """
    import json

    from renderer.kubernetes.printing import escaped_json
    from renderer.rollouts.simulator import analysis_runs
    from renderer.rollouts.simulator.documents import kind_of
    from renderer.rollouts.simulator.frames import to_document
    from renderer.rollouts.simulator.scenario import read_scenario, simulate
    from renderer.rollouts.simulator.table import conditions_table, run_table, to_table

    with click.open_file(scenario, encoding="utf-8") as file:
        text = file.read()
    if scenario.endswith(".jsonl"):
        phases = analysis_runs.evaluate_conditions(text, scenario)
        lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in phases]
        say("".join(map(escaped_json, lines)) if output == "json" else conditions_table(phases), nl=False)
        return
    if kind_of(text, scenario) == analysis_runs.KIND:
        run = analysis_runs.read_run_scenario(text, scenario)
        status = analysis_runs.simulate_run(run)
        document, table = analysis_runs.run_document(run, status), run_table(status)
    else:
        read = read_scenario(text, scenario)
        frames = list(simulate(read, profile, corrections=frozenset(_corrections(corrections))))
        document, table = to_document(read, frames, profile), to_table(frames)
    if output == "json":
        say(escaped_json(json.dumps(document, indent=1, ensure_ascii=False)))
    else:
        say(table, nl=False)


def _corrections(text: str) -> tuple[str, ...]:
    names = text.split(",")
    unknown = [name for name in names if name not in (ALL, NONE, *CORRECTIONS)]
    if unknown:
        raise UsageError(f"--corrections: unknown {', '.join(unknown)}; known are {', '.join(CORRECTIONS)}")
    return chosen_corrections(text if text in (ALL, NONE) else names)
