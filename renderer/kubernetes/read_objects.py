"""Kubernetes objects read from streams of manifests, with findings for what is not an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.encrypted import document_text, is_sealed
from renderer.kubernetes.kinds import CLUSTER_SCOPED
from renderer.kubernetes.manifest import FieldPath, Manifest, ObjectKey, Source, finding, place

STDIN = "<stdin>"
"""The name of standard input in findings."""


class SourceText(Struct, frozen=True):
    """A stream of manifests, its name in findings, and the file that edits change (None: the output of a program)."""

    file: str
    path: Path | None
    text: str


class LoadedObject(Struct, frozen=True):
    """An object and its document in a file; ``path`` is None if the object cannot be edited there."""

    manifest: Manifest
    path: Path | None
    index: int


def read_objects(texts: Sequence[SourceText]) -> tuple[list[LoadedObject], list[Finding]]:
    """Return the objects of some streams, with the items of Lists as objects, and findings for everything else."""
    loaded: list[LoadedObject] = []
    findings: list[Finding] = []
    # Loads libyaml, which other users of this module do without.
    from renderer.kubernetes.yaml.reader import MAX_FINDINGS, load_documents

    for text in texts:
        try:
            documents = load_documents(text.text, text.file)
        except RollstepError as error:
            findings += error.findings
            continue
        for index, document in enumerate(documents):
            for manifest in _flatten(Manifest(document.value, document.source)):
                wrong = _malformed(manifest)
                findings += wrong
                if len(findings) >= MAX_FINDINGS:
                    return loaded, findings
                if not wrong:
                    is_whole = manifest.body is document.value
                    path = text.path if is_whole else None
                    if is_whole and is_sealed(manifest.body):
                        line, _ = manifest.source.position(())
                        manifest = replace(manifest, text=document_text(text.text, line))
                    loaded.append(LoadedObject(manifest, path, index))
    return loaded, findings


def _flatten(manifest: Manifest) -> Iterator[Manifest]:
    """Yield the object, or the items of a List, as ``kubectl apply`` takes them."""
    body: Any = manifest.body
    items = body.get("items") if isinstance(body, dict) else None
    if not (isinstance(items, list) and manifest.kind.endswith("List")):
        yield manifest
        return
    for index, item in enumerate(items):
        source = manifest.source
        yield from _flatten(Manifest(item, Source(source.file, _Below(source.positions, ("items", index)))))


class _Below(Mapping[FieldPath, tuple[int, int]]):
    def __init__(self, positions: Mapping[FieldPath, tuple[int, int]], prefix: FieldPath) -> None:
        self._positions = positions
        self._prefix = prefix

    def __getitem__(self, path: FieldPath) -> tuple[int, int]:
        return self._positions[self._prefix + path]

    def __iter__(self) -> Iterator[FieldPath]:
        depth = len(self._prefix)
        return (path[depth:] for path in self._positions if path[:depth] == self._prefix)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""The beginning of a file whose content git LFS has not fetched (``docs/spec.md`` of git LFS)."""


def _malformed(manifest: Manifest) -> list[Finding]:
    body: Any = manifest.body
    if isinstance(body, str) and body.startswith(_LFS_POINTER):
        return [finding(manifest, (), "is a pointer of git LFS, not the file itself", "git lfs pull")]
    if not isinstance(body, dict):
        names = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
        found = names.get(type(body), "nothing")
        return [finding(manifest, (), f"is not a Kubernetes object: expected a mapping, found {found}")]
    findings = []
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        value: Any = body
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and path[0] == "metadata" and "generateName" in manifest.metadata:
            findings.append(finding(manifest, path, "missing: generateName cannot be rendered into git", "set a name"))
        elif value is None:
            findings.append(finding(manifest, path, "missing: every Kubernetes object has one"))
        elif not isinstance(value, str) or not value:
            findings.append(finding(manifest, path, f"expected text, found {value!r}", "put it in quotes"))
    namespace = manifest.metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        message = f"expected text, found {namespace!r}"
        findings.append(finding(manifest, ("metadata", "namespace"), message, "put it in quotes"))
    return findings


def duplicates(manifests: Sequence[Manifest], namespace: str) -> list[Finding]:
    """Return a finding for each object with the identity of an earlier one; ``namespace`` is that of the Rollout."""
    first: dict[ObjectKey, Manifest] = {}
    findings = []
    for manifest in manifests:
        key = manifest.key
        if not key.namespace and (key.group, key.kind) not in CLUSTER_SCOPED:
            key = key._replace(namespace=namespace)
        earlier = first.setdefault(key, manifest)
        if earlier is not manifest:
            message = f"{manifest.kind} {manifest.name} is there twice, the other one at {place(earlier)}"
            findings.append(finding(manifest, (), message, "take one of them away"))
    return findings
