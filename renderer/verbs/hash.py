"""``rollstep hash``: find the pod templates in files and compute their pod-template-hash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError
from renderer.kubernetes.manifest import FieldPath, Source
from renderer.kubernetes.read_objects import STDIN
from renderer.kubernetes.yaml.reader import Document, load_documents, load_json_lines, read_stream, read_text
from renderer.rollouts.pod_template import canonical_json, default_template
from renderer.rollouts.pod_template.fnv import safe_hash

TEMPLATE_PATHS: Mapping[tuple[str, str], FieldPath] = {
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("", "PodTemplate"): ("template",),
}
"""The path of the pod template in each kind, by API group and kind."""


class HashedTemplate(Struct, frozen=True):
    """The pod-template-hash of an object, and the canonical JSON that is hashed."""

    name: str
    kind: str
    hash: str
    canonical: str


class _Template(Struct, frozen=True):
    """A pod template at ``path`` of a document, with its object's name and kind."""

    name: str
    kind: str
    value: Any
    source: Source
    path: FieldPath


def hash_files(
    directory: str,
    files: Sequence[str],
    *,
    controller_version: str,
    crd_version: str,
    collision_count: int | None,
    note: Callable[[str], object],
) -> list[HashedTemplate]:
    """Return the hash of every pod template in ``files`` (``-`` is standard input), in order.

    Documents of other kinds are skipped; ``note`` gets a message for each Rollout that refers to a workload.  Raises
    UsageError for a missing file, and RollstepError with the findings of all files.
    """
    hashes: list[HashedTemplate] = []
    findings: list[Finding] = []
    for file in files:
        try:
            templates = _templates(directory, file, note)
        except UsageError:
            raise
        except RollstepError as error:
            findings += error.findings
            continue
        for template in templates:
            try:
                value = default_template(template.value, crd_version, template.source, template.path)
                text = canonical_json(value, controller_version, template.source, template.path)
            except RollstepError as error:
                findings += error.findings
                continue
            digest = safe_hash(text, collision_count)
            hashes.append(HashedTemplate(template.name, template.kind, digest, text.decode()))
    if findings:
        raise RollstepError(findings)
    return hashes


def _templates(directory: str, file: str, note: Callable[[str], object]) -> list[_Template]:
    """Return the pod templates of a file; raise RollstepError for an unreadable file and for missing templates."""
    documents, is_json_lines = _read(directory, file)
    templates: list[_Template] = []
    findings: list[Finding] = []
    for number, document in enumerate(documents, 1):
        for value, prefix in _objects(document.value):
            path = _template_path(value, bare=is_json_lines)
            if path is None:
                continue
            template = _at(value, path)
            name = _name(value) or _name(template) or f"template-{number}"
            place = (*prefix, *path)
            if template is not None:
                templates.append(_Template(name, value.get("kind", ""), template, document.source, place))
            elif _at(value, ("spec", "workloadRef")):
                note(f"{name} is left out: spec.workloadRef names its pod template")
            else:
                shown = ".".join(map(str, path))
                findings.append(Finding(file, *document.source.position(place), shown, "Required value"))
    if findings:
        raise RollstepError(findings)
    return templates


def _read(directory: str, file: str) -> tuple[list[Document], bool]:
    """Return a file's documents, and whether it has one document a line."""
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
    """Yield the object of a document, or the items of a List, each with its path."""
    if isinstance(value, Mapping):
        items = value.get("items")
        if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
            for index, item in enumerate(items):
                if isinstance(item, Mapping):
                    yield item, ("items", index)
        else:
            yield value, ()


def _template_path(value: Mapping[str, Any], *, bare: bool) -> FieldPath | None:
    """Return the path of an object's pod template; None for other kinds.  With ``bare``, objects need no kind."""
    if "kind" in value:
        group, _, version = str(value.get("apiVersion", "")).rpartition("/")
        return TEMPLATE_PATHS.get((group if version else "", str(value["kind"])))
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
