"""Whether what was committed is live, as a cluster or a sync tool tells it in JSON (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.kubernetes.objects import AUTOSCALER


class Liveness(Struct, frozen=True):
    """``waits_for`` is what is still to come, in a few words; empty where all is live."""

    waits_for: str = ""

    @property
    def is_live(self) -> bool:
        """Whether nothing is waited for."""
        return not self.waits_for


def of_cluster(committed: Mapping[ObjectKey, Body], found: Iterable[Body]) -> Liveness:
    """Judge by the API server's objects.

    A ReplicaSet is live when its controller has seen its spec and just the pods that are asked for are there and
    available, and where its number is left to an autoscaler, that has raised it to its minimum.  A Service is live when
    it selects what it should; any other object when all that is committed of its spec and annotations is there.  Fields
    that the cluster adds are passed over.
    """
    live = {(body["kind"], body["metadata"]["name"]): body for body in found}
    missing = [
        _missing(key, body, live.get((key.kind, key.name)), _least_pods(committed, key))
        for key, body in sorted(committed.items())
    ]
    return Liveness(", ".join(text for text in missing if text))


def _least_pods(committed: Mapping[ObjectKey, Body], key: ObjectKey) -> int:
    """Return the fewest pods that the autoscaler beside a ReplicaSet leaves it; 1 where there is none."""
    autoscaler = committed.get(ObjectKey(*AUTOSCALER, key.namespace, key.name), {})
    return int((autoscaler.get("spec") or {}).get("minReplicas", 1))


def _missing(key: ObjectKey, wanted: Body, found: Body | None, least: int) -> str:
    name = f"{key.kind} {key.name}"
    if found is None:
        return f"{name} is not there"
    if key.kind == "ReplicaSet":
        replicas = wanted["spec"].get("replicas")
        asked = (found.get("spec") or {}).get("replicas", 1)
        if replicas is None and asked < least:
            return f"{name} asks for {asked} pods, and its autoscaler for {least} at least"
        return _missing_pods(name, asked if replicas is None else int(replicas), found)
    if key.kind == "Service":
        selectors = [(body.get("spec") or {}).get("selector") for body in (wanted, found)]
        return "" if _holds(*selectors) else f"{name} has another spec.selector"
    annotations, live = [(body.get("metadata") or {}).get("annotations") or {} for body in (wanted, found)]
    fields = {"spec": (wanted.get("spec") or {}, found.get("spec")), "metadata.annotations": (annotations, live)}
    late = [field for field, pair in fields.items() if not _holds(*pair)]
    return f"{name} has another {' and '.join(late)}" if late else ""


def _missing_pods(name: str, replicas: int, found: Body) -> str:
    status = found.get("status") or {}
    asked = (found.get("spec") or {}).get("replicas", 1)
    if asked != replicas:
        return f"{name} asks for {asked} of {replicas} pods"
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 1):
        return f"{name} is not observed"
    there, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if there > replicas:
        return f"{name} has {there - replicas} pods too many"
    return f"{name} has {available} of {replicas} pods available" if available < replicas else ""


def _holds(wanted: Any, found: Any) -> bool:
    """Tell whether all that is ``wanted`` is in ``found``; lists have to have the same length, no value is an empty."""
    if isinstance(wanted, Mapping):
        fields = found if isinstance(found, Mapping) else {}
        return all(_holds(value, fields.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list | tuple):
        items = found if isinstance(found, list | tuple) else []
        return len(wanted) == len(items) and all(map(_holds, wanted, items))
    return bool(wanted == found) or (wanted is None and not found)


def of_application(body: Body, revisions: Iterable[str]) -> Liveness:
    """Judge by an Argo CD Application: synced to one of the git revisions, its operation over, and healthy."""
    status = body.get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    phase = (status.get("operationState") or {}).get("phase")
    if sync.get("revision") not in set(revisions):
        return Liveness(f"it is at {str(sync.get('revision') or 'no revision')[:9]}")
    if sync.get("status") != "Synced" or phase in ("Running", "Terminating"):
        return Liveness(f"it is {sync.get('status') or 'Unknown'}{', syncing' if phase == 'Running' else ''}")
    if health.get("status") != "Healthy":
        return Liveness(f"it is {health.get('status') or 'Unknown'}")
    return Liveness()


def of_kustomization(body: Body, revisions: Iterable[str]) -> Liveness:
    """Judge by a Flux Kustomization (v1): ready, its controller has seen it, and one of the revisions is applied.

    Health is part of ``Ready`` only where the Kustomization waits (``spec.wait`` or ``spec.healthChecks``).
    """
    spec, status = body.get("spec") or {}, body.get("status") or {}
    applied = str(status.get("lastAppliedRevision") or "")
    if not spec.get("wait") and not spec.get("healthChecks"):
        return Liveness("its spec.wait is not true, so that it does not tell whether pods are available")
    if applied.rpartition(":")[2] not in set(revisions):
        return Liveness(f"it is at {applied or 'no revision'}")
    ready: Body = next((item for item in status.get("conditions") or () if item.get("type") == "Ready"), {})
    if status.get("observedGeneration", 0) < body["metadata"].get("generation", 1) or ready.get("status") != "True":
        return Liveness(f"it is not ready: {ready.get('message') or ready.get('reason') or 'no condition'}")
    return Liveness()
