"""Annotations that number revisions and remember sizes (``utils/annotations/annotations.go``)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from renderer.rollouts.model.rollout import (
    DESIRED_REPLICAS_ANNOTATION,
    REVISION_ANNOTATION,
    REVISION_HISTORY_ANNOTATION,
    SCALE_DOWN_DEADLINE_ANNOTATION,
    ReplicaSet,
    Rollout,
)

NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION_ANNOTATION,
    REVISION_HISTORY_ANNOTATION,
    DESIRED_REPLICAS_ANNOTATION,
    "notified.notifications.argoproj.io",
)
"""The Rollout's annotations that its ReplicaSets do not inherit."""


def max_revision(replica_sets: Iterable[ReplicaSet]) -> int:
    """Return the highest revision among the ReplicaSets, 0 for none."""
    return max((rs.revision for rs in replica_sets), default=0)


def set_new_replica_set_annotations(rollout: Rollout, rs: ReplicaSet, revision: int, *, exists: bool) -> ReplicaSet:
    """Return the new ReplicaSet with the Rollout's annotations and its revision; the same object where nothing changes.

    A ReplicaSet that existed keeps its former revision in its history, and is given no new desired-replicas here.
    """
    annotations = dict(rs.annotations)
    for name in sorted(rollout.annotations):
        if name not in NOT_COPIED and annotations.get(name, "") != rollout.annotations[name]:
            annotations[name] = rollout.annotations[name]
    if rs.revision < revision:
        annotations[REVISION_ANNOTATION] = str(revision)
    if annotations != rs.annotations and REVISION_ANNOTATION in rs.annotations:
        history = [text for text in annotations.get(REVISION_HISTORY_ANNOTATION, "").split(",") if text]
        annotations[REVISION_HISTORY_ANNOTATION] = ",".join([*history, rs.annotations[REVISION_ANNOTATION]])
    if not exists:
        annotations[DESIRED_REPLICAS_ANNOTATION] = str(rollout.replicas)
    return rs if annotations == rs.annotations else replace(rs, annotations=annotations)


def desired_replicas(rs: ReplicaSet) -> int | None:
    """Return the Rollout's replicas when the ReplicaSet was last scaled; None where that is not recorded."""
    try:
        return int(rs.annotations[DESIRED_REPLICAS_ANNOTATION])
    except (KeyError, ValueError):
        return None


def replicas_annotations_need_update(rs: ReplicaSet, replicas: int) -> bool:
    """Tell whether the ReplicaSet has to be written although its size stays."""
    if rs.annotations.get(DESIRED_REPLICAS_ANNOTATION, "") != str(replicas):
        return True
    return replicas == 0 and bool(rs.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION))


def is_saturated(rollout: Rollout, rs: ReplicaSet) -> bool:
    """Tell whether the ReplicaSet has all of the Rollout's replicas, available, and both know it."""
    return rs.replicas == desired_replicas(rs) == rs.available_replicas == rollout.replicas
