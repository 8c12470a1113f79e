"""Secrets that are encrypted where they stand, and pass through as they were written (pure).

SOPS signs all values of a document (``sops.mac``), and a SealedSecret is bound to its name and namespace by its scope:
what is laid out anew, renamed, or moved into a namespace could not be decrypted any more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from renderer.kubernetes.manifest import Body

_SEPARATOR = re.compile(r"^(?:---(?=\s|$)|\.\.\.\s*$)[^\n]*\n?", re.MULTILINE)
"""A line that ends a YAML document; none can stand within one, not even in a block of text."""

_SOPS = re.compile(r"^sops:[^\n]*\n?(?:[ \t][^\n]*(?:\n|\Z)|\n)*", re.MULTILINE)


def is_encrypted(body: Body) -> bool:
    """Tell whether a document is one that SOPS has encrypted."""
    return isinstance(body.get("sops"), Mapping)


def is_sealed(body: Body) -> bool:
    """Tell whether an object has to stay as it was written: encrypted by SOPS, or a SealedSecret."""
    group = str(body.get("apiVersion", "")).partition("/")[0]
    return is_encrypted(body) or (group, body.get("kind")) == ("bitnami.com", "SealedSecret")


def document_text(text: str, line: int) -> str:
    """Return the text of the document that has ``line`` (from 1) of a stream; all of it where there is no other."""
    pieces, begin = [], 0
    for separator in _SEPARATOR.finditer(text):
        pieces.append((begin, separator.start()))
        begin = separator.end()
    pieces.append((begin, len(text)))
    if sum(bool(text[start:end].strip()) for start, end in pieces) < 2:
        return text
    start, end = next(piece for piece in reversed(pieces) if text.count("\n", 0, piece[0]) < line or piece[0] == 0)
    return text[start:end]


def without_signature(text: str) -> str:
    """Return ``text`` with what SOPS adds to a document as blank lines: what remains is what will be applied."""
    return _SOPS.sub(lambda match: "\n" * match[0].count("\n"), text) if "sops:" in text else text
