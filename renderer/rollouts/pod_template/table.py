"""The data that the Go program in ``generate/`` printed, read once and only where it is needed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

Profile = Literal["1.8", "1.9"]
PROFILES: tuple[Profile, ...] = ("1.8", "1.9")
"""Releases of the Argo Rollouts controller: 1.9 has the types of Kubernetes v0.34, 1.8 those of v0.29."""
DEFAULT_PROFILE: Profile = "1.9"

Row = tuple[str, ...]
"""A field of a Go struct: its JSON name, its type, and what its tag says (omitempty, omitzero, inline)."""


@cache
def go_types(profile: str) -> dict[str, list[Row]]:
    """Return each Go struct under ``corev1.PodTemplateSpec`` by name, its fields in order."""
    types: dict[str, list[Row]] = _read(f"fields-{_known(profile)}.json")["types"]
    return types


@cache
def rollout_schema(profile: str) -> dict[str, Any]:
    """Return the structural schema of a Rollout's ``spec``, with OpenAPI's own keywords."""
    schema: dict[str, Any] = _read(f"rollout-{_known(profile)}.json")["schema"]
    return schema


def _known(profile: str) -> str:
    if profile not in PROFILES:
        raise ValueError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    return profile


def _read(name: str) -> Any:
    # Of all that finds a package's data, this is what takes least to import.
    from pkgutil import get_data

    return json.loads(get_data(__package__, f"data/{name}") or b"")
