"""``rollstep hash``: the pod-template-hash of the documents in files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from renderer.cli import options
from renderer.rollouts.model.versions import DEFAULT_VERSION, VERSIONS

if TYPE_CHECKING:
    from renderer.kubernetes.manifest import Source
    from renderer.kubernetes.yaml.reader import Document

FieldPath = tuple[str | int, ...]
STDIN = "<stdin>"
TEMPLATES: Mapping[tuple[str, str], FieldPath] = {
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("", "PodTemplate"): ("template",),
}
"""Where each kind, by API group, has its pod template."""


class Template(Struct, frozen=True):
    """A pod template with its object's name and kind, and where it was read."""

    name: str
    kind: str
    value: Any
    source: Source
    path: FieldPath


class Hashed(Struct, frozen=True):
    """What is printed of one document."""

    name: str
    kind: str
    hash: str
    canonical: str


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

    FILE is YAML or JSON, - is standard input. In a file that ends in .jsonl each line is a document, and one without a
    kind counts as well: a pod template, or an object with one under template. Where nothing has a name it is
    template-N, N being the document's place in the file. Other documents are left out.

    The template is hashed as the controller finds it: what the Rollout CRD does not know is dropped, and its defaults
    are filled in. What else may be wrong with it is not looked at.

    Example: kustomize build environments/prod/web | rollstep hash -
    """
    hashes = _hashes(directory or ".", files, controller_version, crd_version, collision_count)
    if output == "json":
        import json

        keys = ("name", "kind", "hash", "canonical") if canonical else ("name", "kind", "hash")
        rows = [{key: getattr(one, key) for key in keys} for one in hashes]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for one in hashes:
        click.echo(f"{one.name}\t{one.canonical if canonical else one.hash}")
    if not hashes:
        click.echo("No Rollout, Deployment or PodTemplate has a pod template here.", err=True)


def _hashes(
    directory: str, files: Sequence[str], controller_version: str, crd_version: str, collision_count: int | None
) -> list[Hashed]:
    """Return what is to print of every document, in order; raise RollstepError with the findings of all of them."""
    from renderer.errors import Finding, RollstepError, UsageError
    from renderer.rollouts.pod_template import canonical_json, default_template
    from renderer.rollouts.pod_template.fnv import safe_hash

    hashes: list[Hashed] = []
    findings: list[Finding] = []
    for file in files:
        try:
            templates = _templates(directory, file)
        except UsageError:
            raise
        except RollstepError as error:
            findings += error.findings
            continue
        for one in templates:
            try:
                template = default_template(one.value, crd_version, one.source, one.path)
                text = canonical_json(template, controller_version, one.source, one.path)
            except RollstepError as error:
                findings += error.findings
                continue
            hashes.append(Hashed(one.name, one.kind, safe_hash(text, collision_count), text.decode()))
    if findings:
        raise RollstepError(findings)
    return hashes


def _templates(directory: str, file: str) -> list[Template]:
    """Return the pod templates of a file; raise RollstepError for what cannot be read and for a missing template."""
    from renderer.errors import Finding, RollstepError

    documents, lines = _read(directory, file)
    templates: list[Template] = []
    findings: list[Finding] = []
    for number, document in enumerate(documents, 1):
        for value, prefix in _objects(document.value):
            path = _template_path(value, bare=lines)
            if path is None:
                continue
            template = _at(value, path)
            name = _name(value) or _name(template) or f"template-{number}"
            place = (*prefix, *path)
            if template is not None:
                templates.append(Template(name, value.get("kind", ""), template, document.source, place))
            elif _at(value, ("spec", "workloadRef")):
                click.echo(f"{name} is left out: its pod template is that of spec.workloadRef", err=True)
            else:
                shown = ".".join(map(str, path))
                findings.append(Finding(file, *document.source.position(place), shown, "Required value"))
    if findings:
        raise RollstepError(findings)
    return templates


def _read(directory: str, file: str) -> tuple[list[Document], bool]:
    """Return a file's documents and whether each of its lines is one; raise RollstepError."""
    from pathlib import Path

    from renderer.errors import Finding, UsageError
    from renderer.kubernetes.yaml.reader import load_documents, load_json_lines, read_stream, read_text

    if file == "-":
        shown, text = STDIN, read_stream(sys.stdin.buffer, STDIN)
    else:
        path = Path(directory, file)
        if not path.exists():
            raise UsageError([Finding(file, 0, 0, "", "there is no such file")])
        shown, text = file, read_text(path, file)
    if file.endswith(".jsonl") or (file == "-" and _is_json_lines(text)):
        return load_json_lines(text, shown), True
    return load_documents(text, shown), False


def _is_json_lines(text: str) -> bool:
    lines = [line.strip() for line in text.split("\n")]
    return any(lines) and all(line.startswith("{") and line.endswith("}") for line in lines if line)


def _objects(value: Any) -> Iterator[tuple[Mapping[str, Any], FieldPath]]:
    """Yield the object of a document, or those of a List, and the path to each."""
    if isinstance(value, Mapping):
        items = value.get("items")
        if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
            for index, item in enumerate(items):
                if isinstance(item, Mapping):
                    yield item, ("items", index)
        else:
            yield value, ()


def _template_path(value: Mapping[str, Any], *, bare: bool) -> FieldPath | None:
    """Return where an object has its pod template; None for another kind. ``bare`` objects need no kind."""
    if "kind" in value:
        group, _, version = str(value.get("apiVersion", "")).rpartition("/")
        return TEMPLATES.get((group if version else "", str(value["kind"])))
    if bare and "template" in value:
        return ("template",)
    return () if bare and _at(value, ("spec", "containers")) is not None else None


def _at(value: Any, path: FieldPath) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _name(value: Any) -> str:
    name = _at(value, ("metadata", "name"))
    return name if isinstance(name, str) else ""
