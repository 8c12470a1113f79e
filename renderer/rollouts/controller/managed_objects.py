"""The objects that a release reads, edits or creates, other than ReplicaSets."""

from __future__ import annotations

from collections.abc import Mapping

from renderer.kubernetes.manifest import Body, ObjectKey, field_path, mapping
from renderer.rollouts.controller.routers import routers_of
from renderer.rollouts.controller.routers.router import NamedObject
from renderer.rollouts.controller.workload import ON_SUCCESS, PROGRESSIVELY, workload_key
from renderer.rollouts.model.rollout import HASH_LABEL, MANAGED_BY_ANNOTATION, Rollout
from renderer.rollouts.model.spec import SERVICES


def named_objects(rollout: Rollout) -> tuple[NamedObject, ...]:
    """Return the objects that the Rollout names and requires."""
    found: list[NamedObject] = []
    for path in SERVICES:
        *parents, field = map(str, path)
        name = str(mapping(rollout.body, *parents).get(field) or "")
        if name:
            found.append(NamedObject((ObjectKey("", "Service", rollout.namespace, name),), field_path(path)))
    for router in routers_of(rollout).values():
        found += router.named_objects(rollout)
    workload = workload_key(rollout)
    if workload is not None:
        found.append(NamedObject((workload,), "spec.workloadRef"))
    return tuple(found)


def edited_objects(rollout: Rollout, objects: Mapping[ObjectKey, Body] | None = None) -> tuple[ObjectKey, ...]:
    """Return the user's objects that a release edits; a router may select some of ``objects`` by their labels."""
    keys = [key for named in named_objects(rollout) for key in named.keys]
    for router in routers_of(rollout).values():
        keys += router.selected_objects(rollout, objects or {})
    return tuple(dict.fromkeys(keys))


def created_objects(rollout: Rollout) -> tuple[ObjectKey, ...]:
    """Return the objects that the routers create, such as a canary Ingress."""
    return tuple(key for router in routers_of(rollout).values() for key in router.created_objects(rollout))


def carry_over(rollout: Rollout, wanted: Body, rendered: Body) -> Body:
    """Return the user's object ``wanted`` with the release's own fields from ``rendered``.

    Those are the pod-template-hash in a Service's selector and its managed-by annotation, the replicas of a workload
    that is scaled down, and the fields of the routers.
    """
    if wanted.get("kind") == "Deployment":
        return _carry_over_workload(rollout, wanted, rendered)
    if wanted.get("kind") == "Service":
        return _carry_over_service(wanted, rendered)
    for router in routers_of(rollout).values():
        wanted = router.carry_over(rollout, wanted, rendered)
    return wanted


def _carry_over_workload(rollout: Rollout, wanted: Body, rendered: Body) -> Body:
    replicas = (rendered.get("spec") or {}).get("replicas")
    if (rollout.workload_ref or {}).get("scaleDown") not in (ON_SUCCESS, PROGRESSIVELY) or replicas is None:
        return wanted
    return {**wanted, "spec": {**(wanted.get("spec") or {}), "replicas": replicas}}


def _carry_over_service(wanted: Body, rendered: Body) -> Body:
    spec = dict(wanted.get("spec") or {})
    metadata = dict(wanted.get("metadata") or {})
    pod_template_hash = ((rendered.get("spec") or {}).get("selector") or {}).get(HASH_LABEL)
    manager = ((rendered.get("metadata") or {}).get("annotations") or {}).get(MANAGED_BY_ANNOTATION)
    if pod_template_hash is not None:
        spec["selector"] = {**(spec.get("selector") or {}), HASH_LABEL: pod_template_hash}
    if manager is not None:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), MANAGED_BY_ANNOTATION: manager}
    return {**wanted, "metadata": metadata, "spec": spec}
