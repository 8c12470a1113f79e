"""The bytes of a pod template that the controller hashes, and the hash."""

from __future__ import annotations

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.pod_template.defaults import NOWHERE
from renderer.rollouts.pod_template.fnv import safe_hash
from renderer.rollouts.pod_template.go_json import Mismatch, encoder
from renderer.rollouts.pod_template.schema import Path, as_json, json_type


def canonical_json(
    template: Body, version: str = DEFAULT_VERSION, source: Source = NOWHERE, path: Path = ("spec", "template")
) -> bytes:
    """Return the JSON of the template as a ``corev1.PodTemplateSpec``, as Go's ``encoding/json`` writes it.

    ``template`` has the defaults of ``default_rollout``.  As in Go, unknown fields are left out, and a null is the
    type's zero value.

    Raise RollstepError, with the position from ``source`` and ``path``, for a value of another type than Go's, which
    the CRD does not check everywhere (``volumes``, ``resources``).
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
    """Return the controller's pod-template-hash of ``template``, which has the defaults of ``default_rollout``.

    ``collision_count`` is ``status.collisionCount``; None, if missing, differs from 0.  Raise RollstepError like
    ``canonical_json``.
    """
    return safe_hash(canonical_json(template, version, source, path), collision_count)
