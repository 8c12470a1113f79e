"""Encrypted Secrets, which are rendered with their bytes unchanged.

SOPS signs all values of a document (``sops.mac``), and a SealedSecret is bound to its name and namespace by its scope.
A document with another layout, name or namespace could not be decrypted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from renderer.kubernetes.manifest import Body

_SEPARATOR = re.compile(r"^(?:---(?=\s|$)|\.\.\.\s*$)[^\n]*\n?", re.MULTILINE)
"""A line that ends a YAML document; a document cannot contain it, not even in a literal block."""

_SOPS = re.compile(r"^sops:[^\n]*\n?(?:[ \t][^\n]*(?:\n|\Z)|\n)*", re.MULTILINE)


def is_encrypted(body: Body) -> bool:
    """Return whether SOPS has encrypted a document."""
    return isinstance(body.get("sops"), Mapping)


def is_sealed(body: Body) -> bool:
    """Return whether an object must keep its bytes: encrypted by SOPS, or a SealedSecret."""
    group = str(body.get("apiVersion", "")).partition("/")[0]
    return is_encrypted(body) or (group, body.get("kind")) == ("bitnami.com", "SealedSecret")


def document_text(text: str, line: int) -> str:
    """Return the document of a stream at ``line`` (from 1); the whole text if it is the only document."""
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
    """Return ``text`` with blank lines in place of SOPS' own field, which is never applied."""
    return _SOPS.sub(lambda match: "\n" * match[0].count("\n"), text) if "sops:" in text else text
