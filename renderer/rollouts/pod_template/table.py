"""The tables that the Go program in ``generate/`` writes, read on first use."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from renderer.rollouts.model.versions import VERSIONS

TABLES = {"1.8": "1.8", "1.9": "1.9", "1.10": "1.9"}
"""The version whose tables each version has: v1.10.2 has the pod types and the Rollout's schema of v1.9.1."""

Row = tuple[str, ...]
"""A field of a Go struct: JSON name, type, and the options of its tag (omitempty, omitzero, inline)."""


@cache
def go_types(version: str) -> dict[str, list[Row]]:
    """Return the fields of each Go struct below ``corev1.PodTemplateSpec``, by the struct's name."""
    types: dict[str, list[Row]] = _read(f"fields-{_validated(version)}.json")["types"]
    return types


@cache
def rollout_schema(version: str) -> dict[str, Any]:
    """Return the structural schema of a Rollout's ``spec``, in OpenAPI's keywords."""
    schema: dict[str, Any] = _read(f"rollout-{_validated(version)}.json")["schema"]
    return schema


def _validated(version: str) -> str:
    if version not in TABLES:
        raise ValueError(f"unknown version {version!r}, expected one of {', '.join(VERSIONS)}")
    return TABLES[version]


def _read(name: str) -> Any:
    # pkgutil is the fastest to import of the modules that read package data.
    from pkgutil import get_data

    return json.loads(get_data(__package__, f"data/{name}") or b"")
