"""A step in phases: the engine's writes, split into commits that a sync tool may apply in any order.

The controller scales up, waits for pods, shifts traffic, and scales down.  A commit has no order and does not wait, so
each holds the writes of one phase: ``expand`` (adds pods), ``shift`` (selectors and weights) or ``contract`` (removes
pods).  The engine runs with the pods that are available, and stops where it waits for more.  A commit ends earlier if
the next pass of the controller belongs to another phase; it leaves the state of a controller that was stopped there, so
that the next run goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.safety import is_safe_shift, keeps_pods
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.reconcile import MAX_PASSES, Reconciliation, Settled, reconcile
from renderer.rollouts.controller.replica_counts import replica_counts_for_traffic_routed_canary
from renderer.rollouts.controller.replica_math import get_current_set_weight, traffic_weight_to_replicas
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.spec import CanaryStep
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import CONTRACT, EXPAND, SHIFT, World, Write

SELECT, WEIGH = "select", "weigh"
"""The two kinds of writes of the phase ``shift``: selectors, and all other objects of routers."""
MANY = 1000
"""So many pods that every difference of weights is at least one pod."""
_SELECTORS = frozenset({"Service", "DestinationRule"})


def settle_phase(world: World, *, hold_step: int | None = None) -> Settled:
    """Run the engine for one phase, with the pods that are available.

    ``hold_step`` and the errors are as in ``settle``.  In the new world, ``phase`` is that phase, and ``phase_left``
    the one with which the engine would go on without more pods, empty for none.
    """
    base, writes = world, list[Write]()
    for _ in range(MAX_PASSES):
        done = reconcile(world, hold_step=hold_step)
        if done.world == world:
            return _ended(base, world, writes, "")
        if not _fits(base, done.world):
            if _kinds(base, world):
                return _ended(base, world, writes, _first_phase(world, done.world))
            ahead = _with_pods(world, done, hold_step)
            part = _part(world, ahead.world)
            if ahead is not done:
                # The new release has begun, so that an abort is about it.
                part = replace(part, status=ahead.world.status)
            return _ended(base, part, [*writes, *ahead.writes], _first_phase(part, ahead.world) or EXPAND)
        world = done.world
        writes.extend(done.writes)
    raise AssertionError(f"the release of {world.rollout.name} does not settle")


def phases_of(before: World, after: World) -> dict[ObjectKey, str]:
    """Return the phase of each object that differs; empty for one that no pod and no request depends on."""
    return {key: _phase_of(kind) for key, kind in _kinds_of(before, after).items()}


def early_contractions(rollout: Rollout) -> list[int]:
    """Return the steps in which the controller removes pods of the canary before their traffic.

    It lowers a weight only once the ReplicaSets have the size for the lower one (``reconcileTrafficRouting`` of v1.9
    calls ``AtDesiredReplicaCountsForCanary`` first), and with ``dynamicStableScale`` not at all where the stable one
    has no room for the rest, as after a ``setCanaryScale``.  No order of commits can make that safe.
    """
    canary = rollout.canary
    if canary is None or canary.traffic_routing is None:
        return []
    # The result must stay valid after a scale.
    sizes = (replace(rollout, replicas=replicas) for replicas in (rollout.replicas, MANY))
    return sorted({index for size in sizes for index in _early(size, canary.steps)})


def is_half_shifted(world: World) -> bool:
    """Return whether the last commit is the first half of a shift that is unsafe in one commit."""
    return world.in_phases and world.phase == world.phase_left == SHIFT


def as_observed(world: World) -> World:
    """Return the world with at most as many available pods as replicas: surplus pods are about to be removed."""
    return replace(world, replica_sets=tuple(_observed(rs) for rs in world.replica_sets))


def _observed(rs: ReplicaSet) -> ReplicaSet:
    if rs.available_replicas <= rs.replicas:
        return rs
    return replace(rs, available_replicas=rs.replicas, ready_replicas=min(rs.ready_replicas, rs.replicas))


def _early(rollout: Rollout, steps: Sequence[CanaryStep]) -> Iterator[int]:
    old = weight = 0
    most, replicas = max_traffic_weight(rollout), rollout.replicas
    for index in range(len(steps)):
        status = RolloutStatus(current_step_index=index, current_pod_hash="canary", stable_rs="stable")
        new, stable = replica_counts_for_traffic_routed_canary(rollout, status, None, None, None)
        if new < min(old, weight * replicas // most):
            yield index
        wanted = get_current_set_weight(rollout, status)
        # The stable ReplicaSet keeps the pods of its present share.
        stable = max(stable, traffic_weight_to_replicas(replicas, most - weight, most))
        if stable >= max(min(1, most - wanted), (most - wanted) * replicas // most):
            weight = wanted
        old = new


def _with_pods(world: World, done: Reconciliation, hold_step: int | None) -> Reconciliation:
    """Return the passes from ``world`` up to the one that adds pods, where ``done`` shifts to a version without any.

    The controller selects the pods of a blue-green Rollout's new preview a pass before it adds them.
    """
    if world.rollout.blue_green is None:
        return done
    ahead = done
    for _ in range(MAX_PASSES):
        if not _kinds(world, ahead.world) <= {SELECT, WEIGH}:
            return ahead
        following = reconcile(ahead.world, hold_step=hold_step)
        if following.world == ahead.world:
            break
        ahead = replace(following, writes=(*ahead.writes, *following.writes))
    # A Rollout without pods gets none.
    return done


def _ended(base: World, world: World, writes: list[Write], left: str) -> Settled:
    return Settled(replace(world, phase=_first_phase(base, world), phase_left=left), tuple(writes))


def _first_phase(before: World, after: World) -> str:
    """Return the first phase of the differences, empty for none; a shift comes first, as in the engine."""
    phases = set(phases_of(before, after).values())
    return next((phase for phase in (SHIFT, EXPAND, CONTRACT) if phase in phases), "")


def _phase_of(kind: str) -> str:
    return SHIFT if kind in (SELECT, WEIGH) else kind


def is_safe_at_once(before: World, after: World) -> bool:
    """Return whether one commit from world to world is safe in whatever order it is applied.

    A first release is: no version before it could serve.
    """
    return not before.status.stable_rs or _fits(before, after)


def _fits(base: World, world: World) -> bool:
    """Return whether the differences between two worlds may be applied in any order."""
    kinds = _kinds(base, world)
    if kinds <= {SELECT, WEIGH}:
        return not kinds or is_safe_shift(base, world)
    return len(kinds) == 1


def _kinds(base: World, world: World) -> set[str]:
    return set(_kinds_of(base, world).values()) - {""}


def _kinds_of(base: World, world: World) -> dict[ObjectKey, str]:
    """Return the kind of write of each object that differs."""
    before, after = rendered(base), rendered(world)
    return {
        key: _kind(key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }


def _kind(key: ObjectKey, before: Body | None, after: Body | None) -> str:
    """Return the kind of write from ``before`` to ``after``; empty where no pod and no request depends on it."""
    if key.kind == "ReplicaSet":
        # An autoscaler's ReplicaSets have no replicas.
        old, new = (body["spec"].get("replicas", 1) if body else 0 for body in (before, after))
        return EXPAND if new > old else CONTRACT if new < old or after is None else ""
    if before is None and after is not None and belongs_to_experiment(after):
        return EXPAND
    if after is None and before is not None and belongs_to_experiment(before):
        return CONTRACT
    return SELECT if key.kind in _SELECTORS else WEIGH


def _part(world: World, done: World) -> World:
    """Return the first part of a pass, in the engine's order, that is safe as a commit of its own."""
    kinds = _kinds(world, done)
    choices = [{SELECT, WEIGH}, {SELECT}, {WEIGH}, {EXPAND}, {CONTRACT}]
    parts = [(choice, _only(world, done, choice)) for choice in choices if choice & kinds]
    for choice, part in parts:
        if choice == {EXPAND}:
            return part
        if choice == {CONTRACT}:
            if keeps_pods(world, part):
                return part
        elif is_safe_shift(world, part):
            return part
    # A Rollout without pods has nothing to keep safe.
    return parts[-1][1] if EXPAND in kinds or CONTRACT in kinds else parts[0][1]


def _only(world: World, done: World, kinds: set[str]) -> World:
    """Return ``world`` with the changes of ``done`` that are of ``kinds``, or that nothing depends on.

    The status stays, as with a controller that is stopped during a pass; only the weights go with their objects.
    """
    keys = {key for key, kind in _kinds_of(world, done).items() if kind in {"", *kinds}}
    names = {key.name for key in keys if key.kind == "ReplicaSet"}
    sets = {rs.name: rs for rs in world.replica_sets if rs.name not in names}
    sets.update((rs.name, rs) for rs in done.replica_sets if rs.name in names)
    objects = {key: body for key, body in world.objects.items() if key not in keys}
    objects.update((key, done.objects[key]) for key in keys if key in done.objects)
    status = world.status
    if WEIGH in kinds:
        status = replace(status, canary=replace(status.canary, weights=done.status.canary.weights))
    order = dict.fromkeys(rs.name for rs in (*world.replica_sets, *done.replica_sets))
    ordered = tuple(sets[name] for name in order if name in sets)
    return replace(world, rollout=done.rollout, status=status, replica_sets=ordered, objects=objects)
