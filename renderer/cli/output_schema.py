"""The JSON schemas of what ``--output json`` prints: one definition for each kind of entry, in a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA_FILE = "output_schema.json"
_MOVES = ("move", "proposal")
ENTRIES: dict[str, tuple[str, ...]] = {
    "status": ("status",),
    "get": ("get",),
    "plan": ("plan",),
    "history": ("history",),
    "diff": ("diff",),
    **dict.fromkeys(("advance", "analyze", "promote", "abort", "retry", "undo", "pause", "resume"), _MOVES),
    **dict.fromkeys(("restart", "scale", "set", "migrate", "pr"), _MOVES),
    "render": ("render",),
    "resolve": ("resolved",),
    "lint": ("lint",),
    "verify": ("verify",),
    "replay": ("replay",),
    "freeze": ("freeze",),
    "quarantine": ("quarantine",),
    "approve": ("approved", "approval"),
    "site": ("site",),
}
"""The definitions of the entries that each verb lists."""
FILES: dict[str, tuple[str, ...]] = {"releases.json": ("release",)}
"""The definitions of the entries that each file for programs lists."""


def output_schema(verb: str) -> dict[str, Any]:
    """Return the JSON schema of the output of ``verb``, a key of ``ENTRIES``, with the definitions that it uses."""
    return _list_of(ENTRIES[verb], f"rollstep {verb} --output json")


def file_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a file for programs, a key of ``FILES``."""
    return _list_of(FILES[name], f"{name} of rollstep site")


def _list_of(names: tuple[str, ...], title: str) -> dict[str, Any]:
    # Not importlib.resources, which is slow to import.
    known = json.loads(Path(__file__).with_name(SCHEMA_FILE).read_text(encoding="utf-8"))
    entries = [{"$ref": f"#/$defs/{name}"} for name in names]
    used = dict.fromkeys(_names(entries, known["$defs"]))
    return {
        "$schema": known["$schema"],
        "title": title,
        "type": "array",
        "items": entries[0] if len(entries) == 1 else {"oneOf": entries},
        "$defs": {name: known["$defs"][name] for name in used},
    }


def _names(node: Any, definitions: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the definitions that ``node`` refers to, and of those that these refer to."""
    for value in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from _names(value, definitions)
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        name = node["$ref"].rpartition("/")[2]
        yield name
        yield from _names(definitions[name], definitions)
