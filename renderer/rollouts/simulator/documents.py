"""The documents of a scenario, as its recorder wrote them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renderer.kubernetes.yaml.reader import Document

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The start of a simulation; no result depends on it."""

EXPONENT = re.compile(r"[-+]?[0-9]+[eE][0-9]+")


def documents_of(text: str, file: str) -> list[Document]:
    """Return the documents of a scenario with their sources.

    As in the recordings, by PyYAML, a plain ``1e8`` is text: in YAML 1.1 such a number has a point.
    """
    from renderer.kubernetes.yaml.reader import load_documents
    from renderer.kubernetes.yaml.scalars import plain_scalar

    def scalar(plain: str) -> str | int | float | bool | None:
        return plain if EXPONENT.fullmatch(plain) else plain_scalar(plain)

    return load_documents(text, file, scalar)


def kind_of(text: str, file: str) -> str:
    """Return the kind of a scenario's first document; empty if it has none."""
    documents = documents_of(text, file)
    head = documents[0].value if documents else None
    return str(head.get("kind") or "") if isinstance(head, dict) else ""
