"""Edits of a user's own YAML file that leave every other byte as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from io import StringIO
from typing import Any

from yaml import MappingNode, ScalarNode
from yaml.nodes import Node

from renderer.errors import Finding, RollstepError
from renderer.manifest import field_path
from renderer.yaml_dump import flow_scalar
from renderer.yaml_io import load_documents
from renderer.yaml_nodes import FieldPath, compose, value_node


class Removed:
    """The value of a field that an edit takes away."""


REMOVED = Removed()


def edit(text: str, document_index: int, changes: Mapping[FieldPath, Any], file: str) -> str:
    """Return ``text`` with ``changes`` (field path to new value, or :data:`REMOVED`) made in one of its documents.

    ``document_index`` counts the documents as :func:`renderer.yaml_io.load_documents` returns them.  A scalar is
    replaced where it stands, a new one put in as the first key of its mapping, and all else in the file keeps its
    bytes; other changes write the file anew, with its comments and quotes.  Raises RollstepError where the file cannot
    be edited.
    """
    before = load_documents(text, file)
    wanted = copy.deepcopy([document.value for document in before])
    for path, value in changes.items():
        _assign(wanted[document_index], path, value)
    edited = _in_place(text, document_index, changes, file)
    if edited is None:
        edited = _rewritten(text, document_index, changes)
    after = [document.value for document in load_documents(edited, file)]
    if after != wanted:
        fields = ", ".join(field_path(path) for path in changes)
        raise RollstepError([Finding(file, 0, 0, fields, "cannot be edited here", "make the change by hand")])
    return edited


def _filled_roots(text: str, file: str) -> list[Node]:
    """Return the root nodes of the documents that are not empty, as ``load_documents`` counts them."""
    return [root for root in compose(text, file) if not (isinstance(root, ScalarNode) and not root.value)]


def _in_place(text: str, document_index: int, changes: Mapping[FieldPath, Any], file: str) -> str | None:
    """Make the changes by replacing and inserting text; None where one of them needs more than that."""
    root = _filled_roots(text, file)[document_index]
    pieces: list[tuple[int, int, str]] = []
    for path, value in changes.items():
        piece = _replacement(root, path, value) or _insertion(root, path, value, text)
        if piece is None:
            return None
        pieces.append(piece)
    for start, end, new in sorted(pieces, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replacement(root: Node, path: FieldPath, value: Any) -> tuple[int, int, str] | None:
    node = value_node(root, path)
    if not isinstance(node, ScalarNode) or node.style in ("|", ">") or isinstance(value, Removed | Mapping | list):
        return None
    start, end = node.start_mark, node.end_mark
    # An empty value has no text of its own to replace, and an anchor's text belongs to its aliases too.
    return (start.index, end.index, flow_scalar(value)) if start.index < end.index else None


def _insertion(root: Node, path: FieldPath, value: Any, text: str) -> tuple[int, int, str] | None:
    parent = value_node(root, path[:-1])
    if not isinstance(parent, MappingNode) or parent.flow_style or not parent.value:
        return None
    if value_node(root, path) is not None or isinstance(value, Removed | Mapping | list):
        return None
    first = parent.value[0][0].start_mark
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"{flow_scalar(path[-1])}: {flow_scalar(value)}{newline}{' ' * first.column}"
    return first.index, first.index, line


def _rewritten(text: str, document_index: int, changes: Mapping[FieldPath, Any]) -> str:
    """Make the changes with a round trip that keeps comments and quotes."""
    # A round-trip parser takes longer to import than all that rollstep does without it.
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    offset = _sequence_offset(text)
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    yaml.explicit_start = text.lstrip().startswith("---")
    documents = list(yaml.load_all(text))
    filled = [document for document in documents if document is not None]
    for path, value in changes.items():
        _assign(filled[document_index], path, value)
    stream = StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue().replace("\n", "\r\n") if "\r\n" in text else stream.getvalue()


def _sequence_offset(text: str) -> int:
    """Return how far the file indents ``-`` below its key: 2, or 0 as kubectl writes it."""
    key_column = 0
    for line in text.split("\n"):
        stripped = line.lstrip(" ")
        column = len(line) - len(stripped)
        if stripped.startswith("- "):
            return 2 if column > key_column else 0
        if stripped.rstrip().endswith(":") and not stripped.startswith("#"):
            key_column = column
    return 0


def _assign(document: Any, path: FieldPath, value: Any) -> None:
    """Set or remove one field of plain or round-trip data."""
    parent = document
    for part in path[:-1]:
        if isinstance(parent, dict) and part not in parent:
            parent[part] = {}
        parent = parent[part]
    if isinstance(value, Removed):
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
