"""The text of single documents, and of items of a list, of a YAML stream."""

from __future__ import annotations

import re
from collections.abc import Collection

from yaml import MappingNode, SequenceNode
from yaml.nodes import Node

from renderer.kubernetes.manifest import FieldPath
from renderer.kubernetes.yaml.composer import compose
from renderer.kubernetes.yaml.node_tree import value_node
from renderer.kubernetes.yaml.reader import load_documents

_MARKER = re.compile(r"(---|\.\.\.)(?=\s|$)")


def split(text: str) -> list[str]:
    """Return the text of each document of a stream that is not empty, as ``load_documents`` counts them.

    A comment before the first document, or between two, goes with the next document.  A piece has no marker (``---``)
    and ends with a newline.
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
    """Add ``piece`` if it holds a document; else return its comments, which go with the next document."""
    lines = [line for line in piece.splitlines(keepends=True) if not line.startswith("%")]
    if all(not line.strip() or line.lstrip().startswith("#") for line in lines):
        return "".join(line for line in lines if line.strip())
    text = "".join(lines).strip("\r\n") if len(lines) > 1 else "".join(lines).strip()
    pieces.append(text + ("\r\n" if "\r\n" in piece else "\n"))
    return ""


def without_documents(text: str, indexes: Collection[int]) -> str | None:
    """Return the text without some of its documents, as ``load_documents`` counts them; None if no document is left.

    A document goes with all lines from its marker to the next one; all other lines stay.
    """
    chunks: list[str] = [""]
    for line in text.splitlines(keepends=True):
        if line.startswith("---") and _MARKER.match(line) and chunks[-1]:
            chunks.append("")
        chunks[-1] += line
    kept, number = "", -1
    for chunk in chunks:
        pieces = split(chunk)
        number += len(pieces)
        if not pieces or number not in indexes:
            kept += chunk
    documents = [item.value for item in load_documents(text, "")]
    left = [value for index, value in enumerate(documents) if index not in indexes]
    if [item.value for item in load_documents(kept, "")] != left:
        kept = "---\n".join(piece for index, piece in enumerate(split(text)) if index not in indexes)
    return kept if left else None


def item_text(text: str, path: FieldPath) -> str | None:
    """Return the mapping in block style at ``path`` of a text of one document, with comments; None for others."""
    roots = list(compose(text, ""))
    node = value_node(roots[0], path) if len(roots) == 1 else None
    if not isinstance(node, MappingNode) or node.flow_style or not node.value:
        return None
    column = node.start_mark.column
    lines = (" " * column + text[node.start_mark.index : _end(node, text)]).splitlines(keepends=True)
    dedented = [line[min(column, len(line) - len(line.lstrip(" "))) :] for line in lines]
    return "".join(dedented).rstrip("\r\n") + "\n"


def _end(node: Node, text: str) -> int:
    """Return the end of a value's last line; a block's own end mark lies beyond the comments that follow it."""
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end: int = node.end_mark.index
    if end and text[end - 1] == "\n":
        return end
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1
