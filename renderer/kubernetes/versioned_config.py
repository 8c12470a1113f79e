"""ConfigMaps and Secrets with a hash of their content in the name, as kustomize's generators name them.

A pod template that refers to ``web-6ct58987ht`` instead of ``web`` changes with the content.  So new content is a new
revision, which is released step by step, and a rollback returns to the old content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.encrypted import is_sealed
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, mapping

Reference = tuple[str, str]
"""Kind and name of an object that a pod template refers to."""

KINDS = ("ConfigMap", "Secret")
CONTENT = ("data", "binaryData", "stringData", "type")
"""The fields of both kinds that make up their content."""

HASH_LENGTH = 10
_LETTERS = str.maketrans("013ae", "ghkmt")
_HASHED = re.compile(r"-[2456789bcdfghkmt]{10}$")
_NAMES = re.compile(r"(?:config[mM]ap|[cC]onfigMap|secret|[sS]ecret)(?:Key)?(?:Ref)?")
_NAMING = {"secretName": ("Secret",), "configMapName": ("ConfigMap",), "resourceNames": KINDS}


def content_hash(body: Body) -> str:
    """Return kustomize's hash of a ConfigMap's or Secret's content.

    Source: ``sigs.k8s.io/kustomize/api`` v0.20.1, ``hasher``.  The hashed name is always empty there, since its path is
    looked up as one key; null counts as missing.
    """
    hashed: dict[str, Any] = {"kind": body["kind"], "name": "", "data": body.get("data", "")}
    if hashed["data"] is None:
        hashed["data"] = ""
    if body["kind"] == "Secret":
        hashed["type"] = body.get("type") or ""
    more = "binaryData" if body["kind"] == "ConfigMap" else "stringData"
    if isinstance(body.get(more), dict):
        hashed[more] = body[more]
    # Loads json, which most commands do without.
    from renderer.kubernetes.go_json import go_json

    return sha256(go_json(hashed, sort_keys=True).encode()).hexdigest()[:HASH_LENGTH].translate(_LETTERS)


def looks_versioned(name: str) -> bool:
    """Return whether a name ends with a hash."""
    return _HASHED.search(name) is not None


def is_versioned(body: Body) -> bool:
    """Return whether an object is a ConfigMap or Secret whose name ends with the hash of its content."""
    name = str((body.get("metadata") or {}).get("name"))
    return is_config(body) and looks_versioned(name) and name.endswith(f"-{content_hash(body)}")


def is_config(body: Body) -> bool:
    """Return whether an object is a ConfigMap or Secret."""
    return body.get("apiVersion") == "v1" and body.get("kind") in KINDS


def base_name(name: str) -> str:
    """Return the name of a versioned object without its hash."""
    return name[: -HASH_LENGTH - 1]


def with_versioned_config(
    rollout: Manifest, manifests: tuple[Manifest, ...], setting: bool | tuple[str, ...]
) -> tuple[Manifest, tuple[Manifest, ...]]:
    """Return an app's Rollout and other manifests with versioned configuration; ``setting`` is ``versionedConfig``.

    Each ConfigMap and Secret that the pod template refers to appears under its own name and under that with its hash.
    Each of the two is rendered while an object names it (``still_named``).  A sealed object keeps its own name only.
    """
    if not setting:
        return rollout, manifests
    workload = next((manifest for manifest in manifests if _is_workload(rollout, manifest)), None)
    path = ("spec", "template") if workload is None else TEMPLATE_PATHS[workload.key.group, workload.kind]
    named = references(mapping((workload or rollout).body, *path))
    names: dict[Reference, str] = {}
    made: list[Manifest] = []
    for manifest in manifests:
        chosen = setting is True or (not isinstance(setting, bool) and manifest.name in setting)
        beside = (manifest.namespace or rollout.namespace) == rollout.namespace
        free = is_config(manifest.body) and not is_sealed(manifest.body)
        if not (chosen and beside and free and (manifest.kind, manifest.name) in named):
            made.append(manifest)
        else:
            name = f"{manifest.name}-{content_hash(manifest.body)}"
            names[manifest.kind, manifest.name] = name
            body = {**manifest.body, "metadata": {**manifest.metadata, "name": name}}
            made += [replace(manifest, while_named=True), replace(manifest, body=body, while_named=True)]
    if workload is None:
        return with_names(rollout, names), tuple(made)
    renamed = replace(workload, body=_put(workload.body, path, with_references(mapping(workload.body, *path), names)))
    return rollout, tuple(renamed if manifest is workload else manifest for manifest in made)


def versioned_names(manifests: Iterable[Manifest]) -> dict[Reference, str]:
    """Return the versioned name of each versioned ConfigMap and Secret, by kind and own name."""
    found = (manifest for manifest in manifests if manifest.while_named and is_versioned(manifest.body))
    return {(manifest.kind, base_name(manifest.name)): manifest.name for manifest in found}


def with_names(rollout: Manifest, names: Mapping[Reference, str]) -> Manifest:
    """Return the Rollout with ``names`` (by kind and own name) in its pod template."""
    template = mapping(rollout.body, "spec", "template")
    if not names or not template:
        return rollout
    return replace(rollout, body=_put(rollout.body, ("spec", "template"), with_references(template, names)))


def _is_workload(rollout: Manifest, manifest: Manifest) -> bool:
    reference = mapping(rollout.body, "spec", "workloadRef")
    named = (reference.get("apiVersion"), reference.get("kind"), reference.get("name"))
    is_named = named == (manifest.api_version, manifest.kind, manifest.name)
    return is_named and (manifest.key.group, manifest.kind) in TEMPLATE_PATHS


def references(template: Body) -> frozenset[Reference]:
    """Return the ConfigMaps and Secrets that a pod template refers to where kustomize's generators look for them.

    These are volumes (projected ones as well) and the environment of containers and init containers
    (``api/internal/konfig/builtinpluginconsts/namereference.go``); ``imagePullSecrets`` are not counted.
    """
    found: set[Reference] = set()

    def collect(kind: str, name: str) -> str:
        found.add((kind, name))
        return name

    _renamed(template, collect)
    return frozenset(found)


def with_references(template: Body, names: Mapping[Reference, str]) -> Body:
    """Return a pod template with ``names`` (by kind and old name) in place of old references."""
    return _renamed(template, lambda kind, name: names.get((kind, name), name))


def _renamed(template: Body, rename: Callable[[str, str], str]) -> Body:
    spec = mapping(template, "spec")
    changed = dict(spec)
    if isinstance(spec.get("volumes"), list):
        changed["volumes"] = [_volume(volume, rename) for volume in spec["volumes"]]
    for field in ("containers", "initContainers"):
        if isinstance(spec.get(field), list):
            changed[field] = [_container(container, rename) for container in spec[field]]
    return {**template, "spec": changed} if spec else template


def _volume(volume: Any, rename: Callable[[str, str], str]) -> Any:
    volume = _rename_in(volume, rename, configMap="name", secret="secretName")
    projected = mapping(volume, "projected")
    if not isinstance(projected.get("sources"), list):
        return volume
    sources = [_rename_in(source, rename, configMap="name", secret="name") for source in projected["sources"]]
    return {**volume, "projected": {**projected, "sources": sources}}


def _container(container: Any, rename: Callable[[str, str], str]) -> Any:
    if not isinstance(container, dict):
        return container
    changed = dict(container)
    if isinstance(container.get("envFrom"), list):
        changed["envFrom"] = [
            _rename_in(item, rename, configMapRef="name", secretRef="name") for item in container["envFrom"]
        ]
    if isinstance(container.get("env"), list):
        changed["env"] = [_variable(item, rename) for item in container["env"]]
    return changed


def _variable(item: Any, rename: Callable[[str, str], str]) -> Any:
    source = mapping(item, "valueFrom")
    renamed = _rename_in(source, rename, configMapKeyRef="name", secretKeyRef="name")
    return {**item, "valueFrom": renamed} if source else item


def _rename_in(value: Any, rename: Callable[[str, str], str], **keys: str) -> Any:
    """Return ``value`` with the names of references renamed; ``keys`` maps their fields to the key of the name."""
    for field, key in keys.items():
        reference = mapping(value, field)
        name = reference.get(key)
        if isinstance(name, str) and name:
            kind = "ConfigMap" if field.startswith("configMap") else "Secret"
            value = {**value, field: {**reference, key: rename(kind, name)}}
    return value


def still_named(bodies: Mapping[ObjectKey, Body], offered: Mapping[ObjectKey, Body]) -> dict[ObjectKey, Body]:
    """Return the ConfigMaps and Secrets of ``offered`` that an object among ``bodies`` names.

    Every field of any object that could be such a name counts, so that no object in use is removed.
    """
    if not offered:
        return {}
    named = {reference for body in bodies.values() if not is_config(body) for reference in mentions(body)}
    return {key: body for key, body in offered.items() if (key.kind, key.name) in named}


def mentions(value: Any, field: str = "") -> Iterator[Reference]:
    """Yield every ConfigMap and Secret that a field such as ``secretName`` or ``secretRef`` may name."""
    if isinstance(value, list):
        for item in value:
            yield from mentions(item, field)
    elif isinstance(value, dict):
        if (
            _NAMES.fullmatch(field)
            or field.endswith(("SecretRef", "ConfigMapRef"))
            or field in ("imagePullSecrets", "secrets")
        ):
            kind = "ConfigMap" if "onfigMap" in field else "Secret"
            yield from ((kind, value[key]) for key in ("name", "secretName") if isinstance(value.get(key), str))
        for key, item in value.items():
            yield from mentions(item, str(key))
    elif field in _NAMING and isinstance(value, str):
        yield from ((kind, value) for kind in _NAMING[field])


def _put(body: Body, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**body, head: _put(mapping(body, head), tuple(rest), value) if rest else value}


TEMPLATE_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("", "PodTemplate"): ("template",),
}
"""Paths of the pod templates of kinds that ``workloadRef`` may name."""
