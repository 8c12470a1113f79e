"""Checks that committed manifests are live, by the objects in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from renderer.kubernetes.kinds import AUTOSCALER
from renderer.kubernetes.manifest import Body, ObjectKey


class Liveness(Struct, frozen=True):
    """The verdict on a commit: ``waits_for`` is what is missing, in a few words; empty means live."""

    waits_for: str = ""

    @property
    def is_live(self) -> bool:
        """True if nothing is missing."""
        return not self.waits_for


def of_cluster(committed: Mapping[ObjectKey, Body], found: Iterable[Body]) -> Liveness:
    """Judge the ``committed`` objects by those of the API server.

    A ReplicaSet is live when its controller has observed its spec and exactly the wanted pods exist and are available;
    an autoscaler, if it owns the number, must have raised it to its minimum.  A Service is live with the committed
    selector, any other object with all committed fields of its spec and annotations.  Other fields do not count.
    """
    live = {(body["kind"], body["metadata"]["name"]): body for body in found}
    missing = [
        _missing(key, body, live.get((key.kind, key.name)), _least_pods(committed, key))
        for key, body in sorted(committed.items())
    ]
    return Liveness(", ".join(text for text in missing if text))


def _least_pods(committed: Mapping[ObjectKey, Body], key: ObjectKey) -> int:
    autoscaler = committed.get(ObjectKey(*AUTOSCALER, key.namespace, key.name), {})
    return int((autoscaler.get("spec") or {}).get("minReplicas", 1))


def _missing(key: ObjectKey, wanted: Body, found: Body | None, least: int) -> str:
    name = f"{key.kind} {key.name}"
    if found is None:
        return f"{name} is missing"
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
    """Return whether ``found`` has all ``wanted`` fields; lists need equal length, null equals any empty value."""
    if isinstance(wanted, Mapping):
        fields = found if isinstance(found, Mapping) else {}
        return all(_holds(value, fields.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list | tuple):
        items = found if isinstance(found, list | tuple) else []
        return len(wanted) == len(items) and all(map(_holds, wanted, items))
    return bool(wanted == found) or (wanted is None and not found)
