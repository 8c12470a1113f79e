"""A Kubernetes object as rollstep carries it: plain data, its identity, and where it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

Body = Mapping[str, Any]
"""An object as JSON has it: dicts, lists, strings, numbers, booleans and None.  Treated as immutable: to change one,
build a new one.  A mapping in it is a dict: the question whether a value is any ``Mapping`` takes ten times as long."""


class ObjectKey(NamedTuple):
    """What names an object in a cluster: API group (without the version), kind, namespace and name."""

    group: str
    kind: str
    namespace: str
    name: str


class Source(Struct, frozen=True):
    """Where a document was read: the file as the user named it and, for each field path, its line and column.

    ``positions`` maps a tuple of keys and list indexes to (line, column), counted from 1; ``()`` is the document.
    """

    file: str
    positions: Mapping[tuple[str | int, ...], tuple[int, int]] = field(default_factory=dict)

    def position(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        """Return line and column of ``path`` or of its nearest parent that is known; (0, 0) where none is."""
        while path not in self.positions and path:
            path = path[:-1]
        return self.positions.get(path, (0, 0))


def mapping(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at ``path`` below ``value``; an empty one where there is none."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def field_path(path: tuple[str | int, ...]) -> str:
    """Return ``("spec", "steps", 1, "setWeight")`` as ``spec.steps[1].setWeight``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class Manifest(Struct, frozen=True):
    """One object and where it came from.

    ``text`` is how it was written, where it has to stay so; ``while_named`` tells that it is rendered only while
    another object names it.
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
        """The object's ``metadata``; empty where it has none."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """The object's ``metadata.name``."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The object's ``metadata.namespace``; empty where the manifest leaves it to the sync tool."""
        return str(self.metadata.get("namespace") or "")

    @property
    def key(self) -> ObjectKey:
        """The object's identity."""
        body, metadata = self.body, self.metadata
        group, _, version = str(body.get("apiVersion", "")).rpartition("/")
        namespace, name = metadata.get("namespace") or "", metadata.get("name", "")
        return ObjectKey(group if version else "", str(body.get("kind", "")), str(namespace), str(name))


def is_equal_but(names: tuple[str, ...], one: Struct, other: object) -> bool:
    """Tell whether two values are of one type and equal in all fields but ``names``."""
    return type(one) is type(other) and all(
        getattr(one, name) == getattr(other, name) for name in one.__struct_fields__ if name not in names
    )
