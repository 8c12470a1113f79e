"""Edits of a user's own YAML file that leave every other byte as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from yaml import MappingNode, ScalarNode
from yaml.nodes import Node

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.yaml.json import FieldPath, load_json
from renderer.kubernetes.yaml.nodes import compose, entry_index, entry_value, is_merge, is_null, nodes, shared_nodes
from renderer.kubernetes.yaml.pieces import NotInPlaceError, Pieces
from renderer.kubernetes.yaml.reader import BYTE_ORDER_MARK, Document, load_documents
from renderer.kubernetes.yaml.roundtrip import quoted, rewritten
from renderer.kubernetes.yaml.style import Layout, json_layout, layout_of

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class Removed:
    """The value of a field that an edit takes away."""


REMOVED = Removed()


def edit(text: str, document_index: int, changes: Mapping[FieldPath, Any], file: str) -> str:
    """Return ``text`` with ``changes`` (field path to new value, or ``REMOVED``) made in one of its documents.

    ``document_index`` counts the documents as ``load_documents`` returns them.  A value is
    replaced where it stands, a new field comes first in its mapping, a removed one goes with its lines, and all else
    keeps its bytes; what cannot be done so writes the file anew, with its comments and quotes.  The result is read
    again and compared.  Raises RollstepError where the file cannot be edited or a place is not there.
    """
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    documents = load_documents(text, file)
    if not 0 <= document_index < len(documents):
        message = f"has {len(documents)} documents, and none with the number {document_index + 1}"
        raise RollstepError([Finding(file, 0, 0, "", message)])
    document = documents[document_index]
    _check(document, changes)
    wanted = [_copy(document.value) for document in documents]
    added: dict[FieldPath, str] = {}
    for path, value in changes.items():
        is_new = not _is_there(wanted[document_index], path)
        _assign(wanted[document_index], path, value)
        edited = _changed(text, document_index, path, value, added.get(path[:-1]), wanted)
        if edited is None:
            message = f"cannot be edited here: {_reason(text, document_index, path)}"
            line, column = document.source.position(path)
            raise RollstepError([Finding(file, line, column, field_path(path), message, "make the change by hand")])
        text = edited
        if is_new:
            added[path[:-1]] = str(path[-1])
    return mark + text


def _check(document: Document, changes: Mapping[FieldPath, Any]) -> None:
    """Raise RollstepError with every place that is not there."""
    findings = []
    value = _copy(document.value)
    for path, new in changes.items():
        try:
            _assign(value, path, new)
        except LookupError as error:
            line, column = document.source.position(path)
            findings.append(Finding(document.source.file, line, column, field_path(path), str(error.args[0])))
    if findings:
        raise RollstepError(findings)


def _changed(
    text: str, document_index: int, path: FieldPath, value: Any, below: str | None, wanted: list[Any]
) -> str | None:
    """Return ``text`` with one change made, in the way that changes the least and reads as ``wanted``."""
    if _is_json(text):
        layout = json_layout(text)
        edited = _in_place(text, document_index, path, value, below, layout)
        if edited is None or not _is_json(edited) or not _reads_as(edited, wanted):
            edited = layout.flow(wanted[0]) if "\n" not in text.strip() else layout.json_lines(wanted[0], "")
            edited += layout.newline
        return edited
    root = _roots(text, "")[document_index]
    layout = layout_of(root, text)
    edited = _in_place(text, document_index, path, value, below, layout)
    if edited is not None and _reads_as(edited, wanted):
        # kubectl reads a line end there, but other readers take a block without one for another text.
        return edited + layout.newline if _ends_in_block(edited) else edited
    # Written anew, an anchor would move and the aliases of the value with it.
    if not _is_shared(root, path):
        edited = rewritten(text, document_index, lambda data: _assign(data, path, value, quoted), layout)
        if edited is not None and _reads_as(edited, wanted):
            return edited
    return None


def _in_place(
    text: str, document_index: int, path: FieldPath, value: Any, below: str | None, layout: Layout
) -> str | None:
    """Return ``text`` with the pieces replaced that a change needs; None where it needs more."""
    try:
        document = Pieces(text, _roots(text, "")[document_index], layout)
        pieces = document.removed(path) if isinstance(value, Removed) else document.replaced(path, _copy(value), below)
    except (NotInPlaceError, RollstepError):
        return None  # JSON that is no YAML has no nodes.
    for start, end, new in sorted(pieces, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _ends_in_block(text: str) -> bool:
    """Tell whether a text without a line end at its end ends within a literal or folded block."""
    if text.endswith("\n"):
        return False
    blocks = (node for node in nodes(_roots(text, "")[-1]) if isinstance(node, ScalarNode) and node.style in ("|", ">"))
    return any(node.end_mark.index == len(text) for node in blocks)


def _reads_as(text: str, wanted: list[Any]) -> bool:
    try:
        return [document.value for document in load_documents(text, "")] == wanted
    except RollstepError:
        return False


def _is_json(text: str) -> bool:
    try:
        return isinstance(load_json(text), dict | list)
    except ValueError:
        return False


def _roots(text: str, file: str) -> list[Node]:
    """Return the root nodes of the documents that are not empty, as ``load_documents`` counts them."""
    # YAML has no halves of characters, which JSON has; only where they stand counts here.
    return [root for root in compose(_SURROGATE.sub(r"\\ufffd", text), file) if not is_null(root)]


def _nodes_to(root: Node, path: FieldPath) -> list[Node]:
    """Return the nodes on the way to a value, as far as they are there."""
    found = [root]
    for part in path:
        index = entry_index(found[-1], part)
        if index is None:
            break
        found.append(entry_value(found[-1], index))
    return found


def _is_shared(root: Node, path: FieldPath) -> bool:
    shared = shared_nodes(root)
    return any(id(node) in shared for node in _nodes_to(root, path))


def _reason(text: str, document_index: int, path: FieldPath) -> str:
    """Return why a change of YAML cannot be made."""
    root = _roots(text, "")[document_index]
    if _is_shared(root, path):
        return "an anchor (&) and its aliases (*) share the value"
    last = _nodes_to(root, path)[-1]
    if isinstance(last, MappingNode) and any(is_merge(key) for key, _ in last.value):
        return "<< merges the value from the anchor of an alias"
    return "the way it is written does not allow it"


def _copy(value: Any) -> Any:
    """Return a copy of plain data that shares nothing, within itself either."""
    return value if isinstance(value, Removed) else json.loads(json.dumps(value))


def _is_there(value: Any, path: FieldPath) -> bool:
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _assign(document: Any, path: FieldPath, value: Any, made: Callable[[Any], Any] = _copy) -> None:
    """Set or remove one field of plain or round-trip data; raise LookupError, with a message, for no such place."""
    parent = document
    for depth, part in enumerate(path):
        if isinstance(parent, list):
            if not isinstance(part, int):
                raise LookupError(f"{field_path(path[:depth]) or 'the document'} is a list, which has numbered items")
            if not 0 <= part < len(parent):
                raise LookupError(f"is not there: {field_path(path[:depth]) or 'the document'} has {len(parent)} items")
        elif not isinstance(parent, dict):
            raise LookupError(f"is not there: {field_path(path[:depth]) or 'the document'} is not a mapping")
        elif isinstance(part, int):
            raise LookupError(f"is not there: {field_path(path[:depth]) or 'the document'} is not a list")
        elif part not in parent and isinstance(value, Removed):
            raise LookupError("is not there")
        if depth < len(path) - 1:
            if isinstance(parent, dict) and parent.get(part) is None and not isinstance(value, Removed):
                parent[part] = {}
            parent = parent[part]
    if isinstance(value, Removed):
        del parent[path[-1]]
    else:
        parent[path[-1]] = made(_copy(value))
