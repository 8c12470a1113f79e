"""Creation, scaling and deletion of ReplicaSets (``rollout/replicaset.go``, ``sync.go``, ``restart.go``)."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from renderer.kubernetes.times import format_time
from renderer.rollouts.controller.conditions import new_condition
from renderer.rollouts.controller.context import ConflictError, Context, hash_of
from renderer.rollouts.controller.defaults import abort_scale_down_delay
from renderer.rollouts.controller.replica_counts import canary_replica_counts, new_rs_replicas, stable_rs_exists
from renderer.rollouts.controller.revisions import (
    max_revision,
    replicas_annotations_need_update,
    set_new_replica_set_annotations,
)
from renderer.rollouts.controller.templates import (
    anti_affinity_needs_update,
    replica_set_affinity,
    sync_metadata,
    with_affinity,
)
from renderer.rollouts.controller.workload import scale_workload_progressively
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC, OWN_METADATA
from renderer.rollouts.model.rollout import (
    DESIRED_REPLICAS_ANNOTATION,
    HASH_LABEL,
    REVISION_ANNOTATION,
    SCALE_DOWN_DEADLINE_ANNOTATION,
    ReplicaSet,
)
from renderer.rollouts.model.spec import PodTemplateMetadata


def create_desired_replica_set(ctx: Context) -> None:
    """Create the ReplicaSet of the Rollout's template with the next revision and no replicas."""
    rollout, now = ctx.rollout, ctx.now
    pod_template_hash = ctx.pod_template_hash()
    revision = max_revision(ctx.older_rss) + 1
    affinity = replica_set_affinity(rollout, ctx.status.stable_rs, pod_template_hash)
    template = with_affinity(rollout.template, affinity)
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), HASH_LABEL: pod_template_hash}
    selector = dict(rollout.selector)
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: pod_template_hash}
    created = ReplicaSet(
        name=f"{rollout.name}-{pod_template_hash}",
        namespace=rollout.namespace,
        labels=metadata["labels"],
        annotations={},
        replicas=0,
        min_ready_seconds=rollout.min_ready_seconds,
        selector=selector,
        template={**template, "metadata": metadata},
        created=now,
    )
    created = set_new_replica_set_annotations(rollout, created, revision, exists=False)
    # The very first ReplicaSet becomes the stable one.
    wanted = rollout.strategy.new_metadata if ctx.stable_rs is not None else rollout.strategy.stable_metadata
    created, _ = sync_metadata(created, wanted, keep_own=ctx.corrects(OWN_METADATA))
    if ctx.world.replica_set(created.name) is not None:
        # Another template has the same hash: the next pass adds the collision count.
        count = (ctx.status.collision_count or 0) + 1
        ctx.patch_status(ctx.status, replace(ctx.status, collision_count=count))
        raise ConflictError(created.name)
    ctx.create_replica_set(created)
    _set_rollout_revision(ctx, str(revision))
    message = f'Created new replica set "{created.name}"'
    ctx.set_status_condition(new_condition(now, "Progressing", "True", "NewReplicaSetCreated", message))
    ctx.all_rss = [*ctx.all_rss, created]
    ctx.set_new_rs(created)


def _set_rollout_revision(ctx: Context, revision: str) -> None:
    if ctx.rollout.annotations.get(REVISION_ANNOTATION) != revision:
        ctx.update_rollout(ctx.rollout.with_annotation(REVISION_ANNOTATION, revision))


def sync_replica_set_revision(ctx: Context) -> None:
    """Write the highest revision to the new ReplicaSet and the Rollout, and the Rollout's annotations to the former."""
    rs = ctx.new_rs
    if rs is None:
        return
    rollout, pod_template_hash = ctx.rollout, ctx.pod_template_hash()
    changed = set_new_replica_set_annotations(rollout, rs, max_revision(ctx.older_rss) + 1, exists=True)
    stale_affinity = anti_affinity_needs_update(rs.template, rollout, ctx.status.stable_rs, pod_template_hash)
    if changed is not rs or rs.min_ready_seconds != rollout.min_ready_seconds or stale_affinity:
        affinity = replica_set_affinity(rollout, ctx.status.stable_rs, pod_template_hash)
        template = with_affinity(rs.template, affinity)
        changed = replace(changed, min_ready_seconds=rollout.min_ready_seconds, template=template)
        ctx.new_rs = ctx.update_replica_set(rs, changed)
        return
    _set_rollout_revision(ctx, rs.annotations.get(REVISION_ANNOTATION, ""))
    if ctx.status.condition("Progressing") is None:
        message = f'Found new replica set "{rs.name}"'
        ctx.set_status_condition(new_condition(ctx.now, "Progressing", "True", "FoundNewReplicaSet", message))


def scale(ctx: Context, rs: ReplicaSet, replicas: int) -> tuple[bool, ReplicaSet]:
    """Scale a ReplicaSet and set its desired-replicas annotation; return whether replicas changed, and the result."""
    wanted = ctx.rollout.replicas
    if rs.replicas == replicas and not replicas_annotations_need_update(rs, wanted):
        return False, rs
    annotations = {**rs.annotations, DESIRED_REPLICAS_ANNOTATION: str(wanted)}
    if replicas == 0 and not delays_scale_down_on_abort(ctx):
        annotations.pop(SCALE_DOWN_DEADLINE_ANNOTATION, None)
    changed = ctx.update_replica_set(rs, replace(rs, replicas=replicas, annotations=annotations))
    return rs.replicas != replicas, changed


def remove_scale_down_deadlines(ctx: Context) -> None:
    """Remove the scale-down deadlines of the new and the stable ReplicaSet, which are in use again."""
    keep_new = delays_scale_down_on_abort(ctx)
    names = [rs.name for rs in (None if keep_new else ctx.new_rs, ctx.stable_rs) if rs and rs.has_scale_down_deadline]
    for name in dict.fromkeys(names):
        ctx.annotate_replica_set(name, SCALE_DOWN_DEADLINE_ANNOTATION, None)
        if ctx.since_1_10:
            # The rest of the pass sees the ReplicaSet without it.
            ctx.new_rs, ctx.stable_rs = (
                rs.without_scale_down_deadline() if rs is not None and rs.name == name else rs
                for rs in (ctx.new_rs, ctx.stable_rs)
            )


def add_scale_down_delay(ctx: Context, rs: ReplicaSet, seconds: int) -> None:
    """Set the scale-down deadline of a ReplicaSet; without a delay, remove it."""
    if seconds:
        deadline = format_time(ctx.now + timedelta(seconds=seconds))
        ctx.annotate_replica_set(rs.name, SCALE_DOWN_DEADLINE_ANNOTATION, deadline)
    elif rs.has_scale_down_deadline:
        ctx.annotate_replica_set(rs.name, SCALE_DOWN_DEADLINE_ANNOTATION, None)


def delays_scale_down_on_abort(ctx: Context) -> bool:
    """Return whether the release is aborted and its canary or preview is scaled down later."""
    if not ctx.pause.is_aborted or ctx.stable_rs is None:
        return False
    canary = ctx.rollout.canary
    if canary is not None and canary.traffic_routing is None:
        return False
    delay = abort_scale_down_delay(ctx.rollout)
    has_effect = delay.was_set or canary is None or not canary.dynamic_stable_scale
    return delay.seconds is not None and has_effect


def reconcile_new_replica_set(ctx: Context) -> bool:
    """Scale the new ReplicaSet; return whether its replicas changed."""
    rs = ctx.new_rs
    if rs is None:
        return False
    replicas = new_rs_replicas(ctx, rs, ctx.weights)
    if delays_scale_down_on_abort(ctx):
        if SCALE_DOWN_DEADLINE_ANNOTATION not in rs.annotations:
            assert ctx.stable_rs is not None
            delay = abort_scale_down_delay(ctx.rollout).seconds
            _sync_desired_replicas(ctx)
            available, wanted = ctx.stable_rs.available_replicas, ctx.rollout.replicas
            # More than all of them are available where minPodsPerReplicaSet exceeds spec.replicas.
            tolerant = ctx.since_1_10 or ctx.corrects(ABORTED_TRAFFIC)
            is_full = available >= wanted if tolerant else available == wanted
            if delay is not None and is_full:
                add_scale_down_delay(ctx, rs, delay)
            return False
        deadline = rs.scale_down_deadline
        if deadline is not None and deadline > ctx.now:
            _sync_desired_replicas(ctx)
            return False
        if deadline is not None:
            replicas = 0
    scaled = scale(ctx, rs, replicas)[0]
    scale_workload_progressively(ctx, rs, replicas)
    return scaled


def _sync_desired_replicas(ctx: Context) -> None:
    """Set the desired-replicas annotation of an aborted ReplicaSet that keeps its pods for a while (from v1.10 on).

    Without it every pass would count as a scaling event, which reconciles no traffic.
    """
    if ctx.since_1_10 and ctx.new_rs is not None:
        ctx.new_rs = scale(ctx, ctx.new_rs, ctx.new_rs.replicas)[1]


def reconcile_canary_stable_replica_set(ctx: Context) -> bool:
    """Scale the stable ReplicaSet of a canary; return whether its replicas changed."""
    if not stable_rs_exists(ctx.new_rs, ctx.stable_rs):
        return False
    assert ctx.stable_rs is not None
    # The weights of the last pass: scaling follows the traffic.
    _, replicas = canary_replica_counts(ctx, ctx.status.canary.weights)
    return scale(ctx, ctx.stable_rs, replicas)[0]


def reconcile_revision_history_limit(ctx: Context) -> None:
    """Delete the oldest ReplicaSets without pods beyond ``revisionHistoryLimit``."""
    others = sorted(ctx.other_rss, key=lambda rs: (rs.created, rs.name))
    for rs in others[: max(0, len(others) - ctx.rollout.revision_history_limit)]:
        if rs.actual_replicas == 0 and rs.replicas == 0 and rs.observed:
            ctx.delete_replica_set(rs.name)


def reconcile_ephemeral_metadata(ctx: Context) -> None:
    """Set the metadata of canary, preview, stable and active pods, and remove it from all others.

    From v1.10 on nothing is removed once the Rollout has no such metadata.
    """
    strategy = ctx.rollout.strategy
    if ctx.since_1_10 and strategy.new_metadata is None and strategy.stable_metadata is None:
        return
    wanted: list[tuple[ReplicaSet | None, PodTemplateMetadata | None]]
    if ctx.status.stable_rs in ("", hash_of(ctx.new_rs)):
        wanted = [(ctx.new_rs, strategy.stable_metadata)]
    else:
        wanted = [(ctx.new_rs, strategy.new_metadata), (ctx.stable_rs, strategy.stable_metadata)]
    for rs, metadata in [*wanted, *((rs, None) for rs in ctx.other_rss)]:
        if rs is None:
            continue
        changed, modified = sync_metadata(rs, metadata, keep_own=ctx.corrects(OWN_METADATA))
        if modified:
            ctx.update_replica_set(rs, changed)


def reconcile_restart(ctx: Context) -> None:
    """Record a restart that is due in ``status.restartedAt``: the controller evicts pods, and changes no manifest."""
    restart_at = ctx.rollout.restart_at
    if restart_at is not None and restart_at != ctx.status.restarted_at and ctx.now >= restart_at:
        ctx.restarted_at = restart_at
