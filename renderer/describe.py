"""Words for what a release does: steps, moves and waits (pure)."""

from __future__ import annotations

from renderer.duration import human_duration
from renderer.model import CanaryStep, CanaryStrategy, ReplicaSet, World, format_time
from renderer.release import Move, Wait, steps_of
from renderer.roles import max_traffic_weight, traffic_weight


def current(world: World) -> ReplicaSet | None:
    """Return the ReplicaSet of the Rollout's own pod template, where it has been made."""
    return world.replica_set_by_hash(world.status.current_pod_hash)


def stable(world: World) -> ReplicaSet | None:
    """Return the stable ReplicaSet, where there is one."""
    return world.replica_set_by_hash(world.status.stable_rs)


def is_promoted(world: World) -> bool:
    """Tell whether the newest ReplicaSet is the stable one."""
    return bool(world.status.stable_rs) and world.status.stable_rs == world.status.current_pod_hash


def move_text(move: Move) -> str:
    """Return what a move does, in a few words: ``setWeight: 20``, ``promoted``, ``old ReplicaSets scaled down`` …"""
    before, after = move.before, move.after
    if not before.status.stable_rs and after.status.stable_rs:
        return "first release"
    if is_promoted(after) and before.status.stable_rs != after.status.stable_rs:
        return "promoted"
    if after.status.abort and not before.status.abort:
        return "aborted"
    if before.status.current_pod_hash != after.status.current_pod_hash and is_promoted(after):
        return "back to the stable revision"
    steps = steps_of(after)
    if steps:
        done = _steps_done(move, steps)
        if done:
            return ", ".join(done)
    elif before.status.current_pod_hash != after.status.current_pod_hash:
        return "preview" if not isinstance(after.rollout.strategy, CanaryStrategy) else "canary scaled up"
    elif before.status.blue_green.active_selector != after.status.blue_green.active_selector:
        return "active Service switched"
    return _scaling_text(move)


def _steps_done(move: Move, steps: tuple[CanaryStep, ...]) -> list[str]:
    """Return the text of each step that the move does, a pause that it ends left out."""
    old, new = move.before.status, move.after.status
    fresh = old.current_pod_hash != new.current_pod_hash or old.current_step_hash != new.current_step_hash
    start = 0 if fresh or (old.abort and not new.abort) else (old.current_step_index or 0) + 1
    return [str(step) for step in steps[start : (new.current_step_index or 0) + 1] if step.pause is None]


def _scaling_text(move: Move) -> str:
    before = {rs.name: rs.replicas for rs in move.before.replica_sets}
    after = {rs.name: rs.replicas for rs in move.after.replica_sets}
    if any(after.get(name, 0) < replicas for name, replicas in before.items()):
        return "old ReplicaSets scaled down"
    if any(replicas > before.get(name, 0) for name, replicas in after.items()):
        return "scaled up"
    if move.before.status.pause_conditions and not move.after.status.pause_conditions:
        return "pause ended"
    return "paused" if move.after.status.pause_conditions else "manifests updated"


def traffic_text(world: World) -> str:
    """Return where the traffic goes, for a subject line: ``20% to 7776f59c58``."""
    newest, old = current(world), stable(world)
    target = newest if newest is not None and (is_promoted(world) or not world.status.abort) else old
    if target is None:
        return ""
    weight = traffic_weight(world, target)
    out_of = max_traffic_weight(world)
    share = f"{weight}%" if out_of == 100 else f"{weight}/{out_of}"
    return f"{share} to {target.pod_template_hash}"


def wait_text(reason: Wait, world: World) -> str:
    """Return why a release waits and until when, with what ends the wait."""
    if reason.reason == "aborted":
        return "aborted: `rollstep retry` starts it again, `rollstep undo` goes back to an earlier revision"
    if reason.reason == "manually paused":
        return "manually paused: `rollstep resume` goes on"
    if reason.reason:
        until = ""
        if reason.until is not None:
            left = human_duration((reason.until - world.now).total_seconds())
            until = f" until {format_time(reason.until)} ({left} left)"
        return f"paused ({reason.reason}){until}: `rollstep promote` goes on" + (" at once" if until else "")
    if reason.until is not None:
        return f"nothing to do until {format_time(reason.until)}"
    return "nothing to do: the release is complete"
