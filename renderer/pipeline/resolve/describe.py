"""Words for what a release does: steps, moves and waits (pure)."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time, human_duration
from renderer.pipeline.resolve.autoscaling import count_text, limits
from renderer.pipeline.resolve.moves import Move, Wait, is_between_phases, is_new_release, steps_of
from renderer.pipeline.resolve.step_change import ObjectChange, ReplicaSetChange, StepChange
from renderer.rollouts.controller import gates
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet
from renderer.rollouts.model.spec import CanaryStep, CanaryStrategy
from renderer.rollouts.model.world import World


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
    if before == after:
        return "manifests updated"
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
    start = 0 if is_new_release(move.before, move.after) else (old.current_step_index or 0) + 1
    return [str(step) for step in steps[start : (new.current_step_index or 0) + 1] if step.pause is None]


def phase_of(move: Move) -> str:
    """Return the phase that a commit ends with in the middle of a step; empty where it has all of it, or no object."""
    in_one = move.after.order == "waves" and not is_between_phases(move.after)
    return move.after.phase if move.after.in_phases and not in_one and move.before != move.after else ""


def _scaling_text(move: Move) -> str:
    before = {rs.name: rs.replicas for rs in move.before.replica_sets}
    after = {rs.name: rs.replicas for rs in move.after.replica_sets}
    shrunk = {name for name, replicas in before.items() if after.get(name, 0) < replicas}
    grown = {name for name, replicas in after.items() if replicas > before.get(name, 0)}
    if shrunk and grown:
        return "pods replaced"
    if shrunk:
        in_use = {rs.name for rs in (current(move.after), stable(move.after)) if rs is not None}
        return "scaled down" if shrunk & in_use else "old ReplicaSets scaled down"
    if grown:
        return "scaled up"
    gate = gates.open_gate(move.after.rollout, move.after.status)
    if gate and gate != gates.open_gate(move.before.rollout, move.before.status):
        return gate
    if move.before.status.pause_conditions and not move.after.status.pause_conditions:
        return "pause ended"
    begins = move.after.status.pause_conditions and not move.before.status.pause_conditions
    return "paused" if begins else "manifests updated"


def traffic_text(world: World) -> str:
    """Return where the traffic goes, for a subject line: ``20% to 7776f59c58``."""
    newest, old = current(world), stable(world)
    target = newest if newest is not None and (is_promoted(world) or not world.status.abort) else old
    if target is None:
        return ""
    weight = traffic_weight(world, target)
    out_of = max_traffic_weight(world.rollout)
    share = f"{weight}%" if out_of == 100 else f"{weight}/{out_of}"
    return f"{share} to {target.pod_template_hash}"


def wait_text(reason: Wait, world: World) -> str:
    """Return why a release waits and until when, with what ends the wait."""
    if reason.reason == "aborted":
        return "aborted: `rollstep retry` starts it again, `rollstep undo` goes back to an earlier revision"
    if reason.reason == FROZEN and reason.until is not None:
        return f"frozen until {format_time(reason.until)}: `rollstep freeze list` tells why"
    if reason.reason.startswith(LAG):
        return lag_text(reason)
    if reason.reason == UNAPPROVED:
        return (
            "the step that stands waits for approvals: `rollstep verify` tells how many, `rollstep approve` gives one"
        )
    if reason.reason == "manually paused":
        return "manually paused: `rollstep resume` goes on"
    if reason.reason == gates.EXPERIMENT_STEP and reason.until is not None:
        return (
            f"{gate_text(reason.reason, world)} until {format_time(reason.until)}: `rollstep promote` ends it at once"
        )
    if reason.reason in _GATES:
        return f"{gate_text(reason.reason, world)}: `rollstep promote` takes it as passed, `rollstep abort` goes back"
    if reason.reason:
        until = ""
        if reason.until is not None:
            left = human_duration((reason.until - world.now).total_seconds())
            until = f" until {format_time(reason.until)} ({left} left)"
        return f"paused ({reason.reason}){until}: `rollstep promote` goes on" + (" at once" if until else "")
    if reason.until is not None:
        return f"nothing to do until {format_time(reason.until)}"
    return "nothing to do: the release is complete"


def lag_text(reason: Wait) -> str:
    """Return what a release waits for in another environment, and until when."""
    return reason.reason + (f" until {format_time(reason.until)}" if reason.until is not None else "")


FROZEN, UNAPPROVED, LAG = "frozen", "approvals", "behind another environment: "
"""The reasons of waits that a freeze asks for, and approvals that are missing; what those for a lag begin with."""
_GATES = {
    gates.ANALYSIS_STEP: "waits for the result of the analysis",
    gates.EXPERIMENT_STEP: "runs the experiment",
    gates.PLUGIN_STEP: "waits for the step of the plugin",
    gates.BACKGROUND_ANALYSIS: "waits for the result of the background analysis",
    gates.PRE_PROMOTION_ANALYSIS: "waits for the result of the analysis before the switch",
    gates.POST_PROMOTION_ANALYSIS: "waits for the result of the analysis after the switch",
}


def gate_text(gate: str, world: World) -> str:
    """Return what a gate waits for, with the names of the analysis templates or of the plugin."""
    names = ", ".join(gates.gate_names(world.rollout, world.status, gate))
    return f"{_GATES[gate]} {names}".rstrip()


def step_change(move: Move, app: str, environment: str, verb: str, note: str = "") -> StepChange:
    """Return what a commit message says of ``move``; ``verb`` is ``advance`` or what a person asked for."""
    after = move.after
    steps = len(steps_of(after))
    index = after.status.current_step_index if steps else None
    newest = after.status.current_pod_hash
    action = _action(move, verb, index, steps)
    return StepChange(
        app=app,
        environment=environment,
        action=action,
        revision=after.rollout.revision,
        step=index,
        steps=steps or None,
        traffic=traffic_text(after),
        stable=after.status.stable_rs,
        canary=newest if newest != after.status.stable_rs else "",
        detail="promoted" if action == "step" and _promotes(move) else "",
        note=note,
        phase=phase_of(move),
        replica_sets=_replica_set_changes(move),
        objects=_object_changes(move),
    )


def _action(move: Move, verb: str, index: int | None, steps: int) -> str:
    before, after = move.before.status, move.after.status
    on_the_way = index is not None and bool(before.stable_rs) and not after.abort
    if verb != "advance":
        return f"{verb}, step {index}/{steps}" if on_the_way else verb
    reached = before.current_step_index != index or is_new_release(move.before, move.after)
    return "step" if on_the_way and reached else move_text(move)


def _promotes(move: Move) -> bool:
    """Tell whether the move makes a new version the stable one."""
    return bool(move.before.status.stable_rs) and move.before.status.stable_rs != move.after.status.stable_rs


def _replica_set_changes(move: Move) -> tuple[ReplicaSetChange, ...]:
    before, after = move.before, move.after
    names = {rs.name: rs.revision for world in (before, after) for rs in world.replica_sets}
    rows = []
    for name in sorted(names, key=lambda name: (-names[name], name)):
        old, new = before.replica_set(name), after.replica_set(name)
        shown = new or old
        assert shown is not None
        if not (old and old.replicas) and not (new and new.replicas) and old is not None and new is not None:
            continue
        rows.append(
            ReplicaSetChange(
                name=name,
                revision=shown.revision,
                role=", ".join(roles(after if new else before, shown)),
                replicas_before=_pods(before, old),
                replicas_after=_pods(after, new),
                weight_before=traffic_weight(before, old) if old else None,
                weight_after=traffic_weight(after, new) if new else None,
            )
        )
    return tuple(rows)


def _pods(world: World, replica_set: ReplicaSet | None) -> int | str | None:
    if replica_set is None:
        return None
    low, high = limits(world, replica_set)
    return replica_set.replicas if low is None else count_text(replica_set.replicas, low, high)


def _object_changes(move: Move) -> tuple[ObjectChange, ...]:
    before, after = move.before.objects, move.after.objects
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new:
            changes.append(ObjectChange(key.kind, key.name, _change_text(old, new)))
    return tuple(changes)


def _change_text(old: Body | None, new: Body | None) -> str:
    if new is None:
        return "removed"
    if new.get("kind") == "Service":
        hashes = [((body or {}).get("spec") or {}).get("selector", {}).get(HASH_LABEL, "-") for body in (old, new)]
        return f"selects {hashes[0]} -> {hashes[1]}" if hashes[0] != hashes[1] else "changed"
    weights = [_canary_weight(body) for body in (old, new)]
    if weights[1] is not None and weights[0] != weights[1]:
        return f"weight {'-' if weights[0] is None else weights[0]} -> {weights[1]}"
    return "changed" if old is not None else "created"


def _canary_weight(body: Body | None) -> str | None:
    annotations = ((body or {}).get("metadata") or {}).get("annotations") or {}
    return next((value for name, value in sorted(annotations.items()) if name.endswith("/canary-weight")), None)
