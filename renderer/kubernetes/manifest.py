"""A Kubernetes object as plain data, its identity, and its place in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct, field

from renderer.errors import Finding

Body = Mapping[str, Any]
"""An object as JSON has it: dicts, lists, strings, numbers, booleans and None.

Code never changes one in place.  Every mapping in it is a dict, since ``isinstance`` is much slower for ``Mapping``.
"""

FieldPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indexes from a document to a value: ``("spec", "steps", 1, "setWeight")``."""


class ObjectKey(NamedTuple):
    """An object's identity in a cluster: API group (without the version), kind, namespace and name."""

    group: str
    kind: str
    namespace: str
    name: str


class Source(Struct, frozen=True):
    """The file of a document, as the user named it, and the line and column of each field.

    Lines and columns count from 1; the path ``()`` is the document.
    """

    file: str
    positions: Mapping[FieldPath, tuple[int, int]] = field(default_factory=dict)

    def position(self, path: FieldPath) -> tuple[int, int]:
        """Return line and column of ``path``, else of its nearest known parent, else (0, 0)."""
        while path not in self.positions and path:
            path = path[:-1]
        return self.positions.get(path, (0, 0))


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at ``path`` below ``value``; an empty one for anything else."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def field_path(path: FieldPath) -> str:
    """Return ``("spec", "steps", 1, "setWeight")`` as ``spec.steps[1].setWeight``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class Manifest(Struct, frozen=True):
    """One object and its source.

    ``text`` is the document as written, for an object that must keep its bytes (``is_sealed``), else empty.
    ``while_named`` limits rendering to the time in which another object refers to this one.
    """

    body: Body
    source: Source = Source("")
    text: str = ""
    while_named: bool = False

    @property
    def api_version(self) -> str:
        """The object's ``apiVersion``."""
        return str(self.body.get("apiVersion", ""))

    @property
    def kind(self) -> str:
        """The object's ``kind``."""
        return str(self.body.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's ``metadata``; empty if missing."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """The object's ``metadata.name``."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The object's ``metadata.namespace``; empty if the manifest leaves it to the sync tool."""
        return str(self.metadata.get("namespace") or "")

    @property
    def key(self) -> ObjectKey:
        """The object's identity."""
        body, metadata = self.body, self.metadata
        group, _, version = str(body.get("apiVersion", "")).rpartition("/")
        namespace, name = metadata.get("namespace") or "", metadata.get("name", "")
        return ObjectKey(group if version else "", str(body.get("kind", "")), str(namespace), str(name))


def is_equal_but(names: tuple[str, ...], one: Struct, other: object) -> bool:
    """Return whether two values have the same type and are equal in all fields but ``names``."""
    return type(one) is type(other) and all(
        getattr(one, name) == getattr(other, name) for name in one.__struct_fields__ if name not in names
    )


def place(manifest: Manifest) -> str:
    """Return the position of an object as ``file:line``."""
    line, _ = manifest.source.position(())
    return f"{manifest.source.file}:{line}" if line else manifest.source.file


def finding(manifest: Manifest, path: FieldPath, message: str, hint: str = "") -> Finding:
    """Return a finding at a field of an object, or at the nearest existing parent of the field."""
    line, column = manifest.source.position(path)
    return Finding(manifest.source.file, line, column, field_path(path), message, hint)
