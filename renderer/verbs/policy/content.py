"""Changes of what an app's rendered folder is, beside those of its release: freezes and approvals guard these too.

A template of a ReplicaSet that runs, a foreign manifest, an image in the kustomization: each of them changes what the
cluster runs while the release stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renderer.errors import RollstepError
from renderer.kubernetes.versioned_config import looks_versioned
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.sources import KUSTOMIZATION

_SCALED = {"HorizontalPodAutoscaler", "ScaledObject"}
_RELEASED = {
    "ApisixRoute",
    "DestinationRule",
    "GRPCRoute",
    "HTTPRoute",
    "Ingress",
    "Mapping",
    "PodDisruptionBudget",
    "TCPRoute",
    "TLSRoute",
    "TraefikService",
    "TrafficSplit",
    "VirtualService",
}
"""Kinds of objects whose fields a release changes while it does not go forward, as an abort does."""


def changes_content(before: Mapping[str, bytes], after: Mapping[str, bytes], *, moves: bool) -> bool:
    """Return whether two contents of an output folder (by name) differ in more than the move of a release.

    ``moves`` is false where the release stays: then every difference is one.  Reads only files that differ.
    """
    names = (before.keys() | after.keys()) - {MARKER, ""}
    different = [name for name in sorted(names) if before.get(name) != after.get(name)]
    if not moves:
        return bool(different)
    return any(_is_content(name, before.get(name), after.get(name)) for name in different)


def _is_content(name: str, before: bytes | None, after: bytes | None) -> bool:
    old, new = _body(name, before), _body(name, after)
    kinds = {str(body.get("kind")) for body in (old, new) if body}
    if name == KUSTOMIZATION:
        return {**old, "resources": None} != {**new, "resources": None}
    if "ReplicaSet" in kinds:
        return bool(old and new) and _field(old, "template") != _field(new, "template")
    if "Service" in kinds:
        return bool(old and new) and _without(old, "selector") != _without(new, "selector")
    if kinds & _SCALED:
        bounds = ("minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount")
        return not (old and new) or _without(old, *bounds) != _without(new, *bounds)
    if kinds & _RELEASED:
        return False
    return not looks_versioned(name.removesuffix(".yaml"))


def _body(name: str, content: bytes | None) -> dict[str, Any]:
    try:
        documents = load_documents(decode(content or b"", name), name)
    except RollstepError:
        return {"kind": "unreadable", "content": content}
    return documents[0].value if len(documents) == 1 and isinstance(documents[0].value, dict) else {}


def _field(body: Mapping[str, Any], name: str) -> Any:
    spec = body.get("spec")
    return spec.get(name) if isinstance(spec, dict) else None


def _without(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    spec = body.get("spec")
    return {key: value for key, value in spec.items() if key not in names} if isinstance(spec, dict) else {}
