"""``rollstep hash``."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_json, say
from renderer.rollouts.model.versions import DEFAULT_VERSION, VERSIONS


@click.command("hash")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option(
    "--controller-version",
    type=click.Choice(VERSIONS),
    default=DEFAULT_VERSION,
    show_default=True,
    help="Version of the Argo Rollouts controller: 1.10 and 1.9 have Kubernetes' types v0.34, 1.8 those of v0.29.",
)
@click.option(
    "--crd-version",
    type=click.Choice(VERSIONS),
    default=DEFAULT_VERSION,
    show_default=True,
    help="Version of the Rollout CRD in the cluster, which may be newer than the controller.",
)
@click.option("--canonical", is_flag=True, help="Print the bytes that are hashed; in text output, not the hash.")
@click.option(
    "--collision-count",
    type=click.IntRange(0, 2**31 - 1),
    metavar="N",
    help="The Rollout's status.collisionCount. A missing count differs from 0.",
)
@options.output
@click.pass_obj
def command(
    directory: str,
    files: tuple[str, ...],
    controller_version: str,
    crd_version: str,
    canonical: bool,
    collision_count: int | None,
    output: str,
) -> None:
    """Print NAME, a tab and the pod-template-hash of every Rollout, Deployment and PodTemplate in FILE.

    FILE is YAML or JSON; - is standard input. Other kinds are skipped. In a file that ends in .jsonl each line is a
    document, which may also have no kind: a pod template, or an object with one under template. An object without a
    name is called template-N, after its position N in the file.

    The hash is the controller's: fields that the Rollout CRD does not have are dropped, and its defaults are filled in.
    The template is not validated.

    Example: kustomize build environments/prod/web | rollstep hash -
    """
    from renderer.verbs.hash import hash_files

    hashes = hash_files(
        directory,
        files,
        controller_version=controller_version,
        crd_version=crd_version,
        collision_count=collision_count,
        note=REPORTER.note,
    )
    if output == "json":
        keys = ("name", "kind", "hash", "canonical") if canonical else ("name", "kind", "hash")
        print_json([{key: getattr(template, key) for key in keys} for template in hashes])
        return
    for template in hashes:
        say(f"{template.name}\t{template.canonical if canonical else template.hash}")
    if not hashes:
        say("No Rollout, Deployment or PodTemplate has a pod template here.", err=True)
