"""The simulated API server, as far as the engine or a frame shows its effects.

That is the defaults of Services (Kubernetes v1.34 ``pkg/apis/core/v1/defaults.go``), pruning and defaults of the
Rollout, and the generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.rollouts.controller.workload import workload_key
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.model.world import SIMULATED, World


def world_of(manifests: Sequence[Manifest], now: datetime, version: str = DEFAULT_VERSION) -> World:
    """Return the world after ``manifests`` were applied to an empty namespace.

    Raise ``RollstepError`` unless there is exactly one Rollout, and for the errors of ``Rollout.from_body``.
    """
    from renderer.rollouts.pod_template import default_rollout

    rollouts = [manifest for manifest in manifests if manifest.kind == "Rollout"]
    if len(rollouts) != 1:
        places = [Finding(item.source.file, item.source.position(())[0], 0, "kind", "a Rollout") for item in rollouts]
        message = f"expected one Rollout, found {len(rollouts)}"
        raise RollstepError([Finding("", 0, 0, "", message), *places])
    body = rollouts[0].body
    metadata = {**(body.get("metadata") or {}), "namespace": SIMULATED, "generation": 1}
    rollout = Rollout.from_body(default_rollout({**body, "metadata": metadata}), rollouts[0].source)
    objects = {in_namespace(item): default_object(item.body) for item in manifests if item.kind != "Rollout"}
    world = World(rollout, RolloutStatus(), (), objects, now, version)
    return count_generations(world, world)


def count_generations(before: World, after: World) -> World:
    """Return ``after`` with the generation of the Rollout's workload, one more if its spec changed."""
    key = workload_key(after.rollout)
    body = after.objects.get(key) if key is not None else None
    if key is None or body is None:
        return after
    old = before.objects.get(key) or {}
    generation = int((old.get("metadata") or {}).get("generation", 1)) + int(_spec(old) != _spec(body))
    return after.with_object(key, {**body, "metadata": {**body["metadata"], "generation": generation}})


def _spec(body: Body) -> Any:
    return {name: value for name, value in body.items() if name not in ("metadata", "status")}


def in_namespace(manifest: Manifest) -> ObjectKey:
    """Return the key of an object in the simulated namespace."""
    return manifest.key._replace(namespace=SIMULATED)


def default_object(body: Body) -> Body:
    """Return an object with the defaults of the API server."""
    if body.get("kind") != "Service":
        return body
    spec = {"type": "ClusterIP", **(body.get("spec") or {})}
    spec["ports"] = [_default_port(port, spec["type"]) for port in spec.get("ports") or []]
    if not spec["ports"]:
        del spec["ports"]
    return {**body, "spec": spec}


def _default_port(port: Mapping[str, Any], service_type: str) -> dict[str, Any]:
    result = {"protocol": "TCP", **port}
    if "targetPort" not in result and service_type != "ExternalName":
        result["targetPort"] = result.get("port")
    return result
