"""The objects of the user's manifests, each with its own text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.encrypted import is_sealed
from renderer.kubernetes.manifest import FieldPath, Manifest, Source, field_path, mapping
from renderer.kubernetes.read_objects import LoadedObject, SourceText, read_objects
from renderer.kubernetes.yaml.document_texts import item_text, split
from renderer.kubernetes.yaml.editor import drop
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump
from renderer.rollouts.model.rollout import REVISION_ANNOTATION

SET_BY_THE_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Fields of ``metadata`` that the API server alone sets."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SERVER_ANNOTATIONS = (LAST_APPLIED, "deployment.kubernetes.io/revision", REVISION_ANNOTATION)


class Item(Struct, frozen=True):
    """One object of the input and its text; ``is_whole``: the text is an unchanged document of the user's file."""

    manifest: Manifest
    text: str
    is_whole: bool = True

    @property
    def file(self) -> str:
        """The name of the object's file, as the user gave it."""
        return self.manifest.source.file

    def title(self) -> str:
        """Return the object in messages, such as ``Service web``."""
        return f"{self.manifest.kind} {self.manifest.name}"


def read_items(texts: Sequence[SourceText]) -> tuple[list[Item], list[Finding]]:
    """Return the objects of some texts, those of Lists one by one, and the findings of unreadable texts."""
    items: list[Item] = []
    findings: list[Finding] = []
    for text in texts:
        loaded, wrong = read_objects([text])
        findings += wrong
        if not wrong:
            items += _items(text, loaded)
    return items, findings


def _items(text: SourceText, loaded: Sequence[LoadedObject]) -> Iterator[Item]:
    pieces = split(text.text)
    numbers: dict[int, int] = {}
    for item in loaded:
        number = numbers[item.index] = numbers.get(item.index, -1) + 1
        piece = pieces[item.index] if item.index < len(pieces) else ""
        # JSON is rewritten as YAML, which is easier to edit.
        if _parses_to(piece, item.manifest.body) and not piece.startswith("{"):
            yield Item(item.manifest, piece)
            continue
        below = _list_item(piece, number)
        own = below if below is not None and _parses_to(below, item.manifest.body) else dump(item.manifest.body)
        yield Item(item.manifest, own, is_whole=False)


def _list_item(piece: str, number: int) -> str | None:
    try:
        return item_text(piece, ("items", number))
    except RollstepError:
        return None


def _parses_to(text: str, body: Any) -> bool:
    try:
        return [document.value for document in load_documents(text, "")] == [body]
    except RollstepError:
        return False


def without_server_fields(item: Item) -> tuple[Item, list[str]]:
    """Return the object without the fields that kubectl prints and the API server alone sets, and their names.

    ``kubectl create --dry-run=client -o yaml`` prints some of them, ``kubectl get -o yaml`` all, also in pod templates.
    """
    body, metadata = item.manifest.body, item.manifest.metadata
    if is_sealed(body):
        return item, []
    annotations = mapping(metadata, "annotations")
    paths = list(_set_by_the_server(body, ()))
    paths += [("metadata", "annotations", key) for key in SERVER_ANNOTATIONS if key in annotations]
    is_export = any(key in metadata for key in ("uid", "resourceVersion")) or LAST_APPLIED in annotations
    spec = body.get("spec")
    if is_export and body["kind"] == "Service" and isinstance(spec, dict) and spec.get("clusterIP") != "None":
        paths += [("spec", key) for key in ("clusterIP", "clusterIPs") if key in spec]
    return without(item, paths), [field_path(path) for path in paths]


def _set_by_the_server(value: Any, path: FieldPath) -> Iterator[FieldPath]:
    """Yield the paths of the server's fields in an object and in all objects and templates in it."""
    if isinstance(value, list):
        for index, below in enumerate(value):
            yield from _set_by_the_server(below, (*path, index))
    if not isinstance(value, dict):
        return
    metadata = value.get("metadata")
    # Other fields are named metadata too, such as those of KEDA's triggers.
    if isinstance(metadata, dict) and (not path or "spec" in value):
        yield from ((*path, "metadata", key) for key in SET_BY_THE_SERVER if key in metadata)
        if "status" in value:
            yield (*path, "status")
    for key, below in value.items():
        if key not in ("metadata", "status"):
            yield from _set_by_the_server(below, (*path, key))


def without(item: Item, paths: Sequence[FieldPath]) -> Item:
    """Return the object without the existing fields at ``paths``."""
    if not paths:
        return item
    return with_text(item, reduce(drop, paths, item.text))


def with_text(item: Item, text: str) -> Item:
    """Return the object of ``text``, derived from ``item``: its findings have the position of ``item``."""
    (document,) = load_documents(text, "")
    source = Source(item.file, {(): item.manifest.source.position(())})
    return Item(Manifest(document.value, source), text, is_whole=False)
