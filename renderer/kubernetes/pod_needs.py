"""The objects without which the pods of a template cannot start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey, mapping
from renderer.kubernetes.versioned_config import Reference, mentions

SERVICE_ACCOUNT = "ServiceAccount"
KINDS = frozenset(
    {
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", SERVICE_ACCOUNT),
        ("", "PersistentVolumeClaim"),
        ("bitnami.com", "SealedSecret"),
        ("external-secrets.io", "ExternalSecret"),
        ("external-secrets.io", "SecretStore"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("resource.k8s.io", "ResourceClaim"),
        ("resource.k8s.io", "ResourceClaimTemplate"),
        ("secrets-store.csi.x-k8s.io", "SecretProviderClass"),
    }
)
"""API group and kind of the objects that pods need, and of those that make or grant these."""


def needed_objects(templates: Iterator[Body], offered: Mapping[ObjectKey, Body]) -> set[ObjectKey]:
    """Return those of ``offered``, all in one namespace, that pods of ``templates`` need, directly or by others.

    A Secret may come from a SealedSecret or an ExternalSecret, and a ServiceAccount needs its RoleBindings.
    """
    wanted = {reference for template in templates for reference in _references_of(template)}
    found: set[ObjectKey] = set()
    while True:
        more = {key for key, body in offered.items() if key not in found and _serves(key, body, wanted)}
        if not more:
            return found
        found |= more
        wanted |= {reference for key in more for reference in _further(key, offered[key])}


def _references_of(template: Body) -> Iterator[Reference]:
    spec = mapping(template, "spec")
    yield from mentions(template)
    for field in ("serviceAccountName", "serviceAccount"):
        if isinstance(spec.get(field), str):
            yield SERVICE_ACCOUNT, spec[field]
    for volume in _mappings(spec.get("volumes")):
        yield "PersistentVolumeClaim", str(mapping(volume, "persistentVolumeClaim").get("claimName"))
        attributes = mapping(volume, "csi", "volumeAttributes")
        yield "SecretProviderClass", str(attributes.get("secretProviderClass"))
    for claim in _mappings(spec.get("resourceClaims")):
        yield "ResourceClaim", str(claim.get("resourceClaimName"))
        yield "ResourceClaimTemplate", str(claim.get("resourceClaimTemplateName"))


def _serves(key: ObjectKey, body: Body, wanted: set[Reference]) -> bool:
    """Return whether an object is wanted, makes a wanted Secret, or grants rights to a wanted ServiceAccount."""
    if (key.group, key.kind) not in KINDS:
        return False
    if key.kind == "RoleBinding":
        subjects = _mappings(body.get("subjects"))
        return any((str(item.get("kind")), str(item.get("name"))) in wanted for item in subjects)
    made = {
        "SealedSecret": mapping(body, "spec", "template", "metadata").get("name"),
        "ExternalSecret": mapping(body, "spec", "target").get("name"),
    }
    is_maker = key.kind in made and ("Secret", str(made[key.kind] or key.name)) in wanted
    return is_maker or (key.kind, key.name) in wanted


def _further(key: ObjectKey, body: Body) -> Iterator[Reference]:
    """Yield what an object that pods need itself needs."""
    if key.kind == SERVICE_ACCOUNT:
        yield from mentions(body)
    elif key.kind == "RoleBinding":
        yield "Role", str(mapping(body, "roleRef").get("name"))
    elif key.kind == "ExternalSecret":
        yield "SecretStore", str(mapping(body, "spec", "secretStoreRef").get("name"))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
