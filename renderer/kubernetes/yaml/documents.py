"""Fields put into and taken out of a YAML text as whole lines, so that all other lines keep their bytes."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from typing import Any

from yaml import MappingNode, SequenceNode
from yaml.nodes import Node

from renderer.errors import RollstepError
from renderer.kubernetes.yaml.editor import REMOVED, Removed, edit
from renderer.kubernetes.yaml.json import FieldPath
from renderer.kubernetes.yaml.nodes import compose, value_node
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump

_MARKER = re.compile(r"(---|\.\.\.)(?=\s|$)")


def split(text: str) -> list[str]:
    """Return the text of each document of a stream that is not empty, as ``load_documents`` counts them.

    Comments that stand before the first document or between two of them go with the next one.  A piece has no marker
    (``---``) and ends with a newline.
    """
    pieces: list[str] = []
    carried = current = ""
    for line in text.splitlines(keepends=True):
        marker = _MARKER.match(line)
        if marker is None:
            current += line
            continue
        carried = _close(pieces, carried + current)
        current = line[marker.end() :].lstrip() if marker.group() == "---" else ""
    _close(pieces, carried + current)
    return pieces


def _close(pieces: list[str], piece: str) -> str:
    """Add ``piece`` where it holds a document; else return what of it is to go with the next one."""
    lines = [line for line in piece.splitlines(keepends=True) if not line.startswith("%")]
    if all(not line.strip() or line.lstrip().startswith("#") for line in lines):
        return "".join(line for line in lines if line.strip())
    text = "".join(lines).strip("\r\n") if len(lines) > 1 else "".join(lines).strip()
    pieces.append(text + ("\r\n" if "\r\n" in piece else "\n"))
    return ""


def without_documents(text: str, indexes: Collection[int]) -> str | None:
    """Return the text without some of its documents, as ``load_documents`` counts them; None where none is left.

    A document goes with all lines from its marker to the next one; all other lines stay.
    """
    chunks: list[str] = [""]
    for line in text.splitlines(keepends=True):
        if line.startswith("---") and _MARKER.match(line) and chunks[-1]:
            chunks.append("")
        chunks[-1] += line
    kept, number = "", -1
    for chunk in chunks:
        number += len(split(chunk))
        if not split(chunk) or number not in indexes:
            kept += chunk
    documents = [item.value for item in load_documents(text, "")]
    left = [value for index, value in enumerate(documents) if index not in indexes]
    if [item.value for item in load_documents(kept, "")] != left:
        kept = "---\n".join(piece for index, piece in enumerate(split(text)) if index not in indexes)
    return kept if left else None


def item_text(text: str, path: FieldPath) -> str | None:
    """Return the value at ``path`` of a text of one document as a text of its own; None where it is not in block style.

    Its comments come with it.
    """
    roots = list(compose(text, ""))
    node = value_node(roots[0], path) if len(roots) == 1 else None
    if not isinstance(node, MappingNode) or node.flow_style or not node.value:
        return None
    column = node.start_mark.column
    lines = (" " * column + text[node.start_mark.index : _end(node, text)]).splitlines(keepends=True)
    dedented = [line[min(column, len(line) - len(line.lstrip(" "))) :] for line in lines]
    return "".join(dedented).rstrip("\r\n") + "\n"


def put(text: str, path: FieldPath, value: Any) -> str:
    """Return ``text``, one document, with the field at ``path`` set to ``value``, which is written in block style."""
    wanted = _value(text)
    _parent(wanted, path)[path[-1]] = value
    place = _lines_of(text, path) or _place_after(text, path[:-1])
    if place is None:
        return _otherwise(text, path, value, wanted)
    start, end, indent = place
    before = text[:start] if not start or text[start - 1] == "\n" else text[:start] + "\n"
    block = "".join(f"{indent}{line}\n" if line else "\n" for line in dump({path[-1]: value}).splitlines())
    if "\r\n" in text:
        block = block.replace("\n", "\r\n")
    edited = before + block + text[end:]
    return edited if _is(edited, wanted) else _otherwise(text, path, value, wanted)


def drop(text: str, path: FieldPath) -> str:
    """Return ``text``, one document, without the field at ``path``; a mapping that gets empty by that goes as well.

    Raises KeyError where there is no such field.
    """
    wanted = _value(text)
    while len(path) > 1 and isinstance(path[-2], str) and len(_parent(wanted, path)) == 1:
        path = path[:-1]
    del _parent(wanted, path)[path[-1]]
    place = _lines_of(text, path)
    edited = "" if place is None else text[: place[0]] + text[place[1] :]
    return edited if edited and _is(edited, wanted) else _otherwise(text, path, REMOVED, wanted)


def _value(text: str) -> Any:
    (document,) = load_documents(text, "")
    return copy.deepcopy(document.value)


def _parent(value: Any, path: FieldPath) -> Any:
    for part in path[:-1]:
        value = value[part]
    return value


def _is(text: str, wanted: Any) -> bool:
    try:
        return [document.value for document in load_documents(text, "")] == [wanted]
    except RollstepError:
        return False


def _otherwise(text: str, path: FieldPath, value: Any, wanted: Any) -> str:
    """Make the change where whole lines do not do: with a round trip, else with the values alone."""
    try:
        edited = edit(text, 0, {path: value if isinstance(value, Removed) else copy.deepcopy(value)}, "")
    except RollstepError:
        return dump(wanted)
    return edited if _is(edited, wanted) else dump(wanted)


def _block(text: str, path: FieldPath) -> MappingNode | None:
    """Return the mapping at ``path`` where it is in block style."""
    roots = list(compose(text, ""))
    node = value_node(roots[0], path) if len(roots) == 1 else None
    return node if isinstance(node, MappingNode) and not node.flow_style and node.value else None


def _lines_of(text: str, path: FieldPath) -> tuple[int, int, str] | None:
    """Return where the lines of a field begin and end, and their indentation; None where it shares a line."""
    parent = _block(text, path[:-1])
    for key, value in parent.value if parent is not None else ():
        if key.value != path[-1]:
            continue
        start = text.rfind("\n", 0, key.start_mark.index) + 1
        indent = text[start : key.start_mark.index]
        return None if indent.strip(" ") else (start, _end(value, text), indent)
    return None


def _place_after(text: str, path: FieldPath) -> tuple[int, int, str] | None:
    """Return where a new field of the mapping at ``path`` goes: below its last one."""
    parent = _block(text, path)
    if parent is None:
        return None
    key, value = parent.value[-1]
    end = _end(value, text)
    return end, end, " " * key.start_mark.column


def _end(node: Node, text: str) -> int:
    """Return where the last line of a value ends; a block's own end mark lies beyond the comments that follow it."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end: int = node.end_mark.index
    if end and text[end - 1] == "\n":
        return end
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1
