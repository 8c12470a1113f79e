"""The frames of a simulation in the format of the controller's recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.pod_defaults import default_pod_template, strip_pod_defaults
from renderer.rollouts.controller.managed_objects import created_objects
from renderer.rollouts.model.versions import DEFAULT_VERSION, RELEASES
from renderer.rollouts.model.world import World, Write
from renderer.rollouts.simulator.scenario import Frame, Scenario

CONTROLLER = "rollstep (simulated, after argo-rollouts {})"
KINDS = ("ReplicaSet", "Service", "Ingress")
HIDDEN = ("Deployment", "PodTemplate")
"""The kinds of workloads, which a frame does not show."""
RESOURCES = {"Ingress": "ingresses"}
LEFT_OUT = ("abortedAt", "collisionCount", "currentStepHash", "observedGeneration", "promoteFull", "restartedAt")
"""The fields of the status that depend on the clock or the cluster, which a frame does not show."""


def to_document(scenario: Scenario, frames: Sequence[Frame], version: str = DEFAULT_VERSION) -> dict[str, Any]:
    """Return a simulation of a controller version in the format of the recordings."""
    pod_specs: dict[str, Body] = {}
    for frame in frames:
        for rs in frame.world.replica_sets:
            if rs.name not in pod_specs:
                spec = rs.template.get("spec") or {}
                own = frame.world.rollout.workload_ref is None
                pod_specs[rs.name] = _plain_spec(spec, pod_specs.values()) if own else spec
    return {
        "scenario": scenario.name,
        "controller": CONTROLLER.format(RELEASES[version]),
        "podSpecs": {name: pod_specs[name] for name in sorted(pod_specs)},
        "frames": [frame_to_dict(frame) for frame in frames],
        "writes": [write_to_dict(write, frame.world) for frame in frames for write in frame.writes],
    }


def _plain_spec(spec: Body, earlier: Iterable[Body]) -> Body:
    """Return a pod spec as written by the user, without the defaults that ``undo`` adds."""
    if not spec or default_pod_template({"spec": spec})["spec"] != spec:
        return spec
    same = (other for other in earlier if other and default_pod_template({"spec": other})["spec"] == spec)
    return next(same, None) or strip_pod_defaults(spec)


def frame_to_dict(frame: Frame) -> dict[str, Any]:
    """Return a frame for JSON."""
    world = frame.world
    data: dict[str, Any] = {"action": frame.action}
    if frame.rejected:
        data["rejected"] = frame.rejected
    shown = dict(sorted({"blueGreen": {}, "canary": {}, **world.status.to_dict(LEFT_OUT)}.items()))
    for name, times in (("conditions", ("lastUpdateTime", "lastTransitionTime")), ("pauseConditions", ("startTime",))):
        if name in shown:
            shown[name] = [{key: text for key, text in item.items() if key not in times} for item in shown[name]]
    data["rolloutAnnotations"] = dict(sorted(world.rollout.annotations.items()))
    data["status"] = shown
    data["objects"] = _objects(world)
    return data


def _objects(world: World) -> list[dict[str, Any]]:
    owned = set(created_objects(world.rollout))
    shown = [_shown(rs.to_body(), world, owned=True) for rs in world.replica_sets]
    shown += [_shown(body, world, owned=key in owned) for key, body in world.objects.items() if key.kind not in HIDDEN]

    def order(body: Body) -> tuple[int, str, str]:
        kind = str(body["kind"])
        return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind, str(body["metadata"]["name"]))

    return sorted(shown, key=order)


def _shown(body: Body, world: World, *, owned: bool) -> dict[str, Any]:
    """Return an object without its namespace, if ``owned`` with its owner, a ReplicaSet without its pod spec."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "namespace" and value}
    if owned:
        metadata["ownerReferences"] = [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "blockOwnerDeletion": True,
                "controller": True,
                "kind": "Rollout",
                "name": world.rollout.name,
            }
        ]
    shown = {**body, "metadata": dict(sorted(metadata.items()))}
    if body["kind"] == "ReplicaSet":
        template = {key: value for key, value in body["spec"]["template"].items() if key != "spec"}
        shown["spec"] = {**body["spec"], "template": template}
    return shown


def write_to_dict(write: Write, world: World) -> dict[str, Any]:
    """Return a write for JSON."""
    resource = RESOURCES.get(write.kind, write.kind.lower() + "s")
    data: dict[str, Any] = {"verb": write.verb, "resource": resource, "name": write.name}
    if write.object is not None:
        data["object"] = _shown(write.object, world, owned=write.verb == "create")
    if write.patch is not None:
        data["patch"] = write.patch
    if write.replicas is not None:
        data["replicas"] = write.replicas
    return data
