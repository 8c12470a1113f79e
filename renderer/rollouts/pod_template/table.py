"""The data that the Go program in ``generate/`` printed, read once and only where it is needed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from renderer.rollouts.model.versions import VERSIONS

Row = tuple[str, ...]
"""A field of a Go struct: its JSON name, its type, and what its tag says (omitempty, omitzero, inline)."""


@cache
def go_types(version: str) -> dict[str, list[Row]]:
    """Return each Go struct under ``corev1.PodTemplateSpec`` by name, its fields in order."""
    types: dict[str, list[Row]] = _read(f"fields-{_known(version)}.json")["types"]
    return types


@cache
def rollout_schema(version: str) -> dict[str, Any]:
    """Return the structural schema of a Rollout's ``spec``, with OpenAPI's own keywords."""
    schema: dict[str, Any] = _read(f"rollout-{_known(version)}.json")["schema"]
    return schema


def _known(version: str) -> str:
    if version not in VERSIONS:
        raise ValueError(f"unknown version {version!r}, expected one of {', '.join(VERSIONS)}")
    return version


def _read(name: str) -> Any:
    # Of all that finds a package's data, this is what takes least to import.
    from pkgutil import get_data

    return json.loads(get_data(__package__, f"data/{name}") or b"")
