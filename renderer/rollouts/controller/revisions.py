"""Revisions, their annotations, and rollbacks.

Follows ``utils/annotations/annotations.go``, ``isRollbackWithinWindow`` and ``IsDynamicallyRollingBackToStable``.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from renderer.rollouts.controller.context import Context, hash_of
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
    """Return the highest revision of the ReplicaSets; 0 without any."""
    return max((rs.revision for rs in replica_sets), default=0)


def set_new_replica_set_annotations(rollout: Rollout, rs: ReplicaSet, revision: int, *, exists: bool) -> ReplicaSet:
    """Return the new ReplicaSet with the Rollout's annotations and the revision; the same object if nothing changes.

    An existing ReplicaSet gets its former revision into its history, and no new desired-replicas.
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
    """Return the desired-replicas annotation; None if missing or invalid."""
    try:
        return int(rs.annotations[DESIRED_REPLICAS_ANNOTATION])
    except (KeyError, ValueError):
        return None


def replicas_annotations_need_update(rs: ReplicaSet, replicas: int) -> bool:
    """Return whether the annotations need an update although the replicas do not."""
    if rs.annotations.get(DESIRED_REPLICAS_ANNOTATION, "") != str(replicas):
        return True
    return replicas == 0 and bool(rs.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION))


def is_saturated(rollout: Rollout, rs: ReplicaSet) -> bool:
    """Return whether the ReplicaSet has all of the Rollout's replicas, available and recorded."""
    return rs.replicas == desired_replicas(rs) == rs.available_replicas == rollout.replicas


def is_rollback_within_window(ctx: Context) -> bool:
    """Return whether the update goes back to an older ReplicaSet within ``rollbackWindow``."""
    new_rs, stable_rs, window = ctx.new_rs, ctx.stable_rs, ctx.rollout.rollback_window
    if new_rs is None or stable_rs is None or window <= 0 or not new_rs.created < stable_rs.created:
        return False
    between = sum(1 for rs in ctx.all_rss if new_rs.created < rs.created < stable_rs.created)
    return between < window


def is_fast_rollback(ctx: Context) -> bool:
    """Return whether the update goes back to a ReplicaSet that may be promoted without steps and analyses.

    That is the stable one (so always after a promotion), one within ``rollbackWindow``, or an older one that a
    blue-green release has not scaled down yet.

    Source: ``isFastRollback`` in ``rollout/sync.go`` of v1.10.2.
    """
    new_rs, stable_rs = ctx.new_rs, ctx.stable_rs
    if new_rs is None or stable_rs is None:
        return False
    if ctx.status.stable_rs == new_rs.pod_template_hash:
        return True
    delayed = ctx.new_rs_within_delay and ctx.rollout.blue_green is not None
    return new_rs.created < stable_rs.created and (delayed or is_rollback_within_window(ctx))


def previous_canary_hash(ctx: Context) -> str:
    """Return the former canary's hash while ``dynamicStableScale`` scales up the stable ReplicaSet; else empty."""
    canary = ctx.rollout.canary
    weights = ctx.status.canary.weights
    if not ctx.is_fully_promoted or canary is None or canary.traffic_routing is None or weights is None:
        return ""
    if not canary.dynamic_stable_scale or ctx.new_rs is None:
        return ""
    previous = weights.canary.pod_template_hash
    if previous == hash_of(ctx.new_rs) or ctx.new_rs.available_replicas >= ctx.rollout.replicas:
        return ""
    return previous


def is_dynamically_rolling_back_to_stable(ctx: Context) -> bool:
    """Return whether ``dynamicStableScale`` goes back to a stable ReplicaSet that is still too small."""
    return bool(previous_canary_hash(ctx))
