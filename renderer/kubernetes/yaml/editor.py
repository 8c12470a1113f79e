"""Edits of a user's own YAML file that leave every other byte as it is.

An edit replaces pieces of the text (``in_place``).  What cannot be done so goes through ruamel.yaml's round trip
(``roundtrip``), which keeps comments and quotes.  The result is read again and compared with the wanted values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import reduce
from operator import getitem
from typing import Any

from msgspec import Struct
from yaml import MappingNode, ScalarNode
from yaml.nodes import Node

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import FieldPath, field_path
from renderer.kubernetes.yaml.composer import compose
from renderer.kubernetes.yaml.in_place import DocumentText, NotInPlaceError
from renderer.kubernetes.yaml.layout import Layout, json_layout, layout_of, newline_of
from renderer.kubernetes.yaml.node_tree import is_merge, is_null, nodes, nodes_to, shared_nodes, value_node
from renderer.kubernetes.yaml.reader import BYTE_ORDER_MARK, Document, load_documents
from renderer.kubernetes.yaml.roundtrip import quoted, round_trip
from renderer.kubernetes.yaml.strict_json import load_json
from renderer.kubernetes.yaml.writer import dump

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class Removed:
    """The type of ``REMOVED``."""


REMOVED = Removed()
"""The value of a field that an edit removes."""


class Items(Struct, frozen=True):
    """The new items of a list, for an edit that leaves the text of others as it is.

    ``kept`` has the old index of each item that stays, in the old order, and None for each of ``new``, in theirs.
    """

    kept: tuple[int | None, ...]
    new: tuple[Any, ...] = ()


class _Change(Struct, frozen=True):
    path: FieldPath
    value: Any
    after: str | None = None
    """The sibling before a new field; None: the new field is the first of its mapping."""
    block: Layout | None = None
    """The layout of a value in block style; None: the value has the style and layout of the file."""


def edit(text: str, document_index: int, changes: Mapping[FieldPath, Any], file: str) -> str:
    """Return ``text`` with ``changes`` made in one of its documents: field path to new value, ``REMOVED`` or ``Items``.

    ``document_index`` counts the documents as ``load_documents`` returns them.  A value is replaced where it stands, a
    new field comes first in its mapping, a removed one goes with its lines.  Raises RollstepError with every path that
    does not exist, or if the file cannot be edited.
    """
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    documents = load_documents(text, file)
    if not 0 <= document_index < len(documents):
        message = f"has {len(documents)} documents, and no document {document_index + 1}"
        raise RollstepError([Finding(file, 0, 0, "", message)])
    document = documents[document_index]
    _check(document, changes)
    wanted = [_copy(document.value) for document in documents]
    added: dict[FieldPath, str] = {}
    for path, value in changes.items():
        is_new = not _exists(wanted[document_index], path)
        _assign(wanted[document_index], path, value)
        edited = _changed(text, document_index, _Change(path, value, added.get(path[:-1])), wanted)
        if edited is None:
            message = f"cannot be edited here: {_reason(text, document_index, path)}"
            line, column = document.source.position(path)
            raise RollstepError([Finding(file, line, column, field_path(path), message, "make the change by hand")])
        text = edited
        if is_new:
            added[path[:-1]] = str(path[-1])
    return mark + text


def put_block(text: str, path: FieldPath, value: Any) -> str:
    """Return ``text``, one document, with a field set to ``value`` in block style, a new field last in its mapping.

    A document that cannot be edited is written anew, without its comments.
    """
    layout = Layout(newline=newline_of(text))
    text += "" if text.endswith("\n") else layout.newline
    (document,) = load_documents(text, "")
    wanted = _copy(document.value)
    _assign(wanted, path, value)
    parent = value_node(_roots(text)[0], path[:-1])
    last = parent.value[-1][0].value if isinstance(parent, MappingNode) and parent.value else None
    edited = _changed(text, 0, _Change(path, value, last, layout), [wanted])
    return dump(wanted) if edited is None else edited


def drop(text: str, path: FieldPath) -> str:
    """Return ``text``, one document, without the field at ``path`` and without mappings that get empty by that.

    A document that cannot be edited is written anew, without its comments.  Raises LookupError for a missing field.
    """
    (document,) = load_documents(text, "")
    wanted = _copy(document.value)
    while len(path) > 1 and isinstance(path[-2], str) and len(reduce(getitem, path[:-1], wanted)) == 1:
        path = path[:-1]
    _assign(wanted, path, REMOVED)
    edited = _changed(text, 0, _Change(path, REMOVED), [wanted])
    return dump(wanted) if edited is None else edited


def _check(document: Document, changes: Mapping[FieldPath, Any]) -> None:
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


def _changed(text: str, document_index: int, change: _Change, wanted: list[Any]) -> str | None:
    """Return ``text`` with the smallest edit that reads as ``wanted``; None if there is no such edit."""
    if _is_json(text):
        layout = json_layout(text)
        edited = _in_place(text, document_index, change, layout)
        if edited is None or not _is_json(edited) or not _reads_as(edited, wanted):
            edited = layout.flow(wanted[0]) if "\n" not in text.strip() else layout.json_lines(wanted[0], "")
            edited += layout.newline
        return edited
    root = _roots(text)[document_index]
    layout = layout_of(root, text)
    edited = _in_place(text, document_index, change, change.block or layout)
    if edited is not None and _reads_as(edited, wanted):
        # kubectl reads a line end there, but other readers take a block without one for another text.
        return edited + layout.newline if _ends_in_block(edited) else edited
    # A round trip would move an anchor, and with it the aliases of the value.
    if not _is_shared(root, change.path):
        edited = round_trip(text, document_index, lambda data: _assign(data, change.path, change.value, quoted), layout)
        if edited is not None and _reads_as(edited, wanted):
            return edited
    return None


def _in_place(text: str, document_index: int, change: _Change, layout: Layout) -> str | None:
    """Return ``text`` with the pieces replaced that a change needs; None if that is not enough."""
    if isinstance(change.value, Items):
        return None
    try:
        document = DocumentText(text, _roots(text)[document_index], layout, block=change.block is not None)
        if isinstance(change.value, Removed):
            pieces = document.removed(change.path)
        else:
            pieces = document.replaced(change.path, _copy(change.value), change.after)
    except (NotInPlaceError, RollstepError):
        return None  # JSON that is not YAML has no nodes.
    for start, end, new in sorted(pieces, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _ends_in_block(text: str) -> bool:
    """Return whether a text without a final line end ends within a literal or folded block."""
    if text.endswith("\n"):
        return False
    blocks = (node for node in nodes(_roots(text)[-1]) if isinstance(node, ScalarNode) and node.style in ("|", ">"))
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


def _roots(text: str) -> list[Node]:
    # Only positions count here, and YAML has no surrogates, which JSON has.
    return [root for root in compose(_SURROGATE.sub(r"\\ufffd", text), "") if not is_null(root)]


def _is_shared(root: Node, path: FieldPath) -> bool:
    shared = shared_nodes(root)
    return any(id(node) in shared for node in nodes_to(root, path))


def _reason(text: str, document_index: int, path: FieldPath) -> str:
    root = _roots(text)[document_index]
    if _is_shared(root, path):
        return "an anchor (&) and its aliases (*) share the value"
    last = nodes_to(root, path)[-1]
    if isinstance(last, MappingNode) and any(is_merge(key) for key, _ in last.value):
        return "<< merges the value from the anchor of an alias"
    return "the YAML around the value has an unusual form"


def _copy(value: Any) -> Any:
    return value if isinstance(value, Removed | Items) else json.loads(json.dumps(value))


def _exists(value: Any, path: FieldPath) -> bool:
    return not path or (isinstance(value, dict) and path[0] in value and _exists(value[path[0]], path[1:]))


def _assign(document: Any, path: FieldPath, value: Any, convert: Callable[[Any], Any] = _copy) -> None:
    """Set or remove one field of plain or round-trip data; raise LookupError with a message for a missing parent."""
    parent = document
    for depth, part in enumerate(path):
        above = field_path(path[:depth]) or "the document"
        if isinstance(parent, list):
            if not isinstance(part, int):
                raise LookupError(f"{above} is a list, which has numbered items")
            if not 0 <= part < len(parent):
                raise LookupError(f"is missing: {above} has {len(parent)} items")
        elif not isinstance(parent, dict) or isinstance(part, int):
            raise LookupError(f"is missing: {above} is not a {'list' if isinstance(parent, dict) else 'mapping'}")
        elif part not in parent and isinstance(value, Removed):
            raise LookupError("is missing")
        if depth < len(path) - 1:
            if isinstance(parent, dict) and parent.get(part) is None and not isinstance(value, Removed):
                parent[part] = {}
            parent = parent[part]
    if isinstance(value, Removed):
        del parent[path[-1]]
    elif isinstance(value, Items):
        _rearrange(parent[path[-1]], value, convert)
    else:
        parent[path[-1]] = convert(_copy(value))


def _rearrange(items: Any, wanted: Items, convert: Callable[[Any], Any]) -> None:
    new = iter(wanted.new)
    for index in reversed(range(len(items))):
        if index not in wanted.kept:
            del items[index]
    for index, kept in enumerate(wanted.kept):
        if kept is None:
            items.insert(index, convert(_copy(next(new))))
