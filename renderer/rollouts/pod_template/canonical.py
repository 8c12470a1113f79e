"""The bytes of a pod template that the controller hashes, and their hash."""

from __future__ import annotations

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.pod_template.defaults import NOWHERE
from renderer.rollouts.pod_template.fnv import safe_hash
from renderer.rollouts.pod_template.go_json import Mismatch, encoder
from renderer.rollouts.pod_template.schema import Path, as_json, json_type


def canonical_json(
    template: Body,
    version: str = DEFAULT_VERSION,
    source: Source = NOWHERE,
    path: Path = ("spec", "template"),
) -> bytes:
    """Return the bytes that Go's ``encoding/json`` makes of the template as a ``corev1.PodTemplateSpec``.

    It neither prunes by the CRD nor fills in: ``template`` is one that was defaulted (``default_rollout``).  Fields
    that the Go type does not have are left out, as Go does, and a null is the type's zero value.

    Raises RollstepError for a value that Go cannot read into its type; the CRD lets such through where it does not look
    (``volumes``, ``resources``).  ``source`` and ``path`` tell where the template was read.
    """
    try:
        return encoder(version)(template).encode()
    except Mismatch as mismatch:
        place = (*path, *reversed(mismatch.path))
        value = mismatch.value
        found = f"an {json_type(value)}" if isinstance(value, (dict, list)) else as_json(value)
        message = f"found {found}, expected {mismatch.expected}"
        finding = Finding(source.file, *source.position(place), field_path(place), message)
        raise RollstepError([finding]) from None


def pod_template_hash(
    template: Body,
    collision_count: int | None = None,
    version: str = DEFAULT_VERSION,
    source: Source = NOWHERE,
    path: Path = ("spec", "template"),
) -> str:
    """Return the pod-template-hash that the controller gives to the ReplicaSet of ``template``.

    ``template`` is one that was defaulted (``default_rollout``), as it comes from the API server; it is not pruned
    again here.  ``collision_count`` is the Rollout's ``status.collisionCount``; None where it has none, which is not 0.
    Raises RollstepError as ``canonical_json`` does.
    """
    return safe_hash(canonical_json(template, version, source, path), collision_count)
