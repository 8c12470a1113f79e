"""``rollstep hash``: the pod-template-hash of the documents in files."""

from __future__ import annotations

import click

from renderer.cli import options
from renderer.rollouts.model.versions import DEFAULT_VERSION, VERSIONS


@click.command("hash")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option(
    "--controller-version",
    type=click.Choice(VERSIONS),
    default=DEFAULT_VERSION,
    show_default=True,
    help="The Argo Rollouts controller: 1.9 has the types of Kubernetes v0.34, 1.8 those of v0.29.",
)
@click.option(
    "--crd-version",
    type=click.Choice(VERSIONS),
    default=DEFAULT_VERSION,
    show_default=True,
    help="The Rollout CRD in the cluster, which may be newer than the controller.",
)
@click.option("--canonical", is_flag=True, help="Show the bytes that are hashed: in text in place of the hash.")
@click.option(
    "--collision-count",
    type=click.IntRange(0, 2**31 - 1),
    metavar="N",
    help="The Rollout's status.collisionCount; none is not the same as 0.",
)
@options.output
@click.pass_obj
def command(
    directory: str | None,
    files: tuple[str, ...],
    controller_version: str,
    crd_version: str,
    canonical: bool,
    collision_count: int | None,
    output: str,
) -> None:
    """Print NAME, a tab and the pod-template-hash of every Rollout, Deployment and PodTemplate in FILE.

    FILE is YAML or JSON; - is standard input. In a file that ends in .jsonl each line is a document, and a document
    without a kind counts, too: a pod template, or an object with one under template. An object without a name is called
    template-N, with its position N in the file. Other documents are skipped.

    The hash is the controller's: fields that the Rollout CRD does not have are dropped, and its defaults are filled in.
    The template is not validated.

    Example: kustomize build environments/prod/web | rollstep hash -
    """
    from renderer.verbs.hash import hash_files

    hashes = hash_files(
        directory or ".",
        files,
        controller_version=controller_version,
        crd_version=crd_version,
        collision_count=collision_count,
        note=lambda message: click.echo(message, err=True),
    )
    if output == "json":
        from renderer.kubernetes.printing import to_json

        keys = ("name", "kind", "hash", "canonical") if canonical else ("name", "kind", "hash")
        rows = [{key: getattr(one, key) for key in keys} for one in hashes]
        click.echo(to_json(rows), nl=False)
        return
    for one in hashes:
        click.echo(f"{one.name}\t{one.canonical if canonical else one.hash}")
    if not hashes:
        click.echo("No Rollout, Deployment or PodTemplate has a pod template here.", err=True)
