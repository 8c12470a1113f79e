"""Descriptions of moves and waits in words, for commit messages and for people."""

from __future__ import annotations

from renderer.kubernetes.images import version_text
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time, human_duration
from renderer.pipeline.resolve.analyses import ANALYZE
from renderer.pipeline.resolve.autoscaling import count_text, pod_limits
from renderer.pipeline.resolve.moves import Move, Wait, gate_of, is_between_phases, is_new_release, steps_of
from renderer.pipeline.resolve.step_change import Evidence, ObjectChange, ReplicaSetChange, StepChange
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts.controller import gates
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment_runs import experiment_runs
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet
from renderer.rollouts.model.world import World

FROZEN, UNAPPROVED, HELD, LAG, QUARANTINED = "frozen", "approvals", "held", "lag", "quarantine"
"""Reasons of waits: a freeze, approvals, a step that was taken back, a lag, and an image in quarantine."""
COMMITTED = "Committed"
"""The phase of a release that git has to its end; Argo Rollouts says Healthy, which takes a look at the pods."""

_GATES = {
    gates.ANALYSIS_STEP: "waits for the result of the analysis",
    gates.EXPERIMENT_STEP: "runs the experiment",
    gates.PLUGIN_STEP: "waits for the step of the plugin",
    gates.BACKGROUND_ANALYSIS: "waits for the result of the background analysis",
    gates.PRE_PROMOTION_ANALYSIS: "waits for the result of the analysis before the switch",
    gates.POST_PROMOTION_ANALYSIS: "waits for the result of the analysis after the switch",
}

MEASURED = (
    gates.ANALYSIS_STEP,
    gates.BACKGROUND_ANALYSIS,
    gates.PRE_PROMOTION_ANALYSIS,
    gates.POST_PROMOTION_ANALYSIS,
)
"""The gates whose result is measured, unless the settings leave it to a person."""


def phase_of(world: World) -> str:
    """Return the phase of a release as git knows it: ``Committed``, ``Paused``, ``Progressing``, ``Degraded`` …"""
    return COMMITTED if world.status.phase == "Healthy" else world.status.phase


def current_replica_set(world: World) -> ReplicaSet | None:
    """Return the ReplicaSet of the Rollout's own pod template; None before the first release."""
    return world.replica_set_by_hash(world.status.current_pod_hash)


def stable_replica_set(world: World) -> ReplicaSet | None:
    """Return the stable ReplicaSet; None before the end of the first release."""
    return world.replica_set_by_hash(world.status.stable_rs)


def is_promoted(world: World) -> bool:
    """Return whether the newest ReplicaSet is the stable one."""
    return bool(world.status.stable_rs) and world.status.stable_rs == world.status.current_pod_hash


def move_text(move: Move) -> str:
    """Return a few words for a move: ``setWeight: 20``, ``promoted``, ``old ReplicaSets scaled down`` …"""
    before, after = move.before, move.after
    if before == after:
        return "manifests updated"
    if not before.status.stable_rs and after.status.stable_rs:
        return "first release"
    if is_promoted(after) and before.status.stable_rs != after.status.stable_rs:
        return "promoted"
    if after.status.abort and not before.status.abort:
        return "aborted"
    is_new_template = before.status.current_pod_hash != after.status.current_pod_hash
    if is_new_template and is_promoted(after):
        return "back to the stable revision"
    if steps_of(after):
        done = _steps_done(move)
        if done:
            return ", ".join(done)
    elif is_new_template:
        return "preview" if after.rollout.canary is None else "canary scaled up"
    elif before.status.blue_green.active_selector != after.status.blue_green.active_selector:
        return "active Service switched"
    return _scaling_text(move)


def last_phase(move: Move) -> str:
    """Return the phase that a commit ends with; empty if it holds a whole step, or if the move changes nothing."""
    after = move.after
    is_whole_step = after.order == "waves" and not is_between_phases(after)
    return after.phase if after.in_phases and not is_whole_step and move.before != after else ""


def traffic_text(world: World) -> str:
    """Return the destination of the traffic for a subject line: ``20% to 1.2.0 (7776f59c58)``, or empty."""
    newest, old = current_replica_set(world), stable_replica_set(world)
    target = newest if newest is not None and (is_promoted(world) or not world.status.abort) else old
    if target is None:
        return ""
    weight = traffic_weight(world, target)
    out_of = max_traffic_weight(world.rollout)
    share = f"{weight}%" if out_of == 100 else f"{weight}/{out_of}"
    return f"{share} to {version_of(world, target)} ({target.pod_template_hash})"


def version_of(world: World, replica_set: ReplicaSet) -> str:
    """Return the version of a ReplicaSet as its images show it, those that the version before it lacks."""
    older = [other for other in world.replica_sets if other.revision < replica_set.revision]
    stable = stable_replica_set(world)
    before = stable if stable in older else max(older, key=lambda other: other.revision, default=None)
    changed = "" if before is None else version_text(replica_set.template, before.template)
    return changed or version_text(replica_set.template)


def wait_text(wait: Wait, world: World, target: str) -> str:
    """Return why the release of the app ``target`` waits, until when, and which command ends the wait."""
    reason, until = wait.reason, wait.until
    promote = f"`rollstep promote {target}`"
    if reason == "aborted":
        retry, undo = f"`rollstep retry {target}`", f"`rollstep undo {target}`"
        return f"aborted: {retry} starts it again, {undo} or older manifests go back to a revision"
    if reason == FROZEN and until is not None:
        return f"frozen until {format_time(until)}: `rollstep freeze list` shows why"
    if reason == LAG:
        return lag_text(wait)
    if reason == QUARANTINED:
        return f"{wait.detail} (`rollstep quarantine lift` ends that)"
    if reason == HELD:
        return f"held: {wait.detail} took this step back; {promote} goes on"
    if reason == UNAPPROVED:
        return "the committed step waits for approvals: `rollstep verify` shows how many, `rollstep approve` adds yours"
    if reason == "manually paused":
        return f"manually paused: `rollstep resume {target}` goes on"
    if reason == gates.EXPERIMENT_STEP and until is not None and not experiment_runs(world):
        return f"{gate_text(reason, world)} until {format_time(until)}: {promote} ends it at once"
    if (reason in MEASURED and world.is_measured) or (reason == gates.EXPERIMENT_STEP and experiment_runs(world)):
        due = f", the next measurement at {format_time(until)}" if until is not None else ""
        ways = f"{promote} takes it as passed, `rollstep abort {target}` goes back"
        return f"{gate_text(reason, world)}{due}: `rollstep analyze {target}` measures, {ways}"
    if reason in _GATES:
        return f"{gate_text(reason, world)}: {promote} takes it as passed, `rollstep abort {target}` goes back"
    if reason:
        end = ""
        if until is not None:
            end = f" until {format_time(until)} ({human_duration((until - world.now).total_seconds())} left)"
        return f"paused ({reason}){end}: {promote} goes on" + (" at once" if end else "")
    if until is not None:
        return f"nothing to do until {format_time(until)}"
    return "nothing to do: the release is complete"


def waiting_text(version: str, target: str, quarantine: str = "") -> str:
    """Return that ``version`` waits in the sources of the app ``target``, and which command begins it.

    For a version in ``quarantine``, described so, that is the text.
    """
    return quarantine or f"{version} waits: `rollstep advance {target}` begins it"


def lag_text(wait: Wait) -> str:
    """Return what a release waits for in another environment, and until when."""
    return wait.detail + (f" until {format_time(wait.until)}" if wait.until is not None else "")


def gate_text(gate: str, world: World) -> str:
    """Return what a gate waits for, with the names of its analysis templates or of its plugin."""
    names = ", ".join(gates.gate_names(world.rollout, world.status, gate))
    return f"{_GATES[gate]} {names}".rstrip()


def step_change(move: Move, app: str, environment: str, verb: str, note: str = "") -> StepChange:
    """Return what a commit message says of ``move``; ``verb`` is ``advance`` or the action of a person."""
    after = move.after
    steps = len(steps_of(after))
    index = after.status.current_step_index if steps else None
    newest, stable = after.status.current_pod_hash, after.status.stable_rs
    action = _action(move, verb, index, steps)
    evidence = _evidence(move)
    canary = current_replica_set(after) if newest != stable else None
    promotes = bool(move.before.status.stable_rs) and move.before.status.stable_rs != stable
    return StepChange(
        app=app,
        environment=environment,
        action=action,
        revision=after.rollout.revision,
        step=index,
        steps=steps or None,
        weight=traffic_weight(after, canary) if canary is not None else None,
        traffic=traffic_text(after),
        stable=stable,
        canary=newest if newest != stable else "",
        detail="promoted" if action == "step" and promotes else evidence.verdict or _left_waiting(move, verb),
        analysis=evidence.results,
        metrics=evidence.metrics,
        note=note,
        phase=last_phase(move),
        replica_sets=_replica_set_changes(move),
        objects=_object_changes(move),
    )


def _left_waiting(move: Move, verb: str) -> str:
    """Return that the version of a verb that begins a revision waits; empty where its release begins at once."""
    version = waiting_version(move.after) if verb in ("set image", "restart", "undo") else ""
    return f"{version} waits" if version else ""


def _evidence(move: Move) -> Evidence:
    if move.before.analysis_runs == move.after.analysis_runs:
        return Evidence()
    # Loads the engine of analyses, which other moves do not need.
    from renderer.pipeline.resolve.evidence import evidence_of

    return evidence_of(move)


def _steps_done(move: Move) -> list[str]:
    """Return the text of each step that the move carries out, pauses left out."""
    old, new = move.before.status, move.after.status
    first = 0 if is_new_release(old, new) else (old.current_step_index or 0) + 1
    steps = steps_of(move.after)[first : (new.current_step_index or 0) + 1]
    return [str(step) for step in steps if step.pause is None]


def _scaling_text(move: Move) -> str:
    before = {rs.name: rs.replicas for rs in move.before.replica_sets}
    after = {rs.name: rs.replicas for rs in move.after.replica_sets}
    shrunk = {name for name, replicas in before.items() if after.get(name, 0) < replicas}
    grown = {name for name, replicas in after.items() if replicas > before.get(name, 0)}
    if shrunk and grown:
        return "pods replaced"
    if shrunk:
        in_use = {rs.name for rs in (current_replica_set(move.after), stable_replica_set(move.after)) if rs is not None}
        return "scaled down" if shrunk & in_use else "old ReplicaSets scaled down"
    if grown:
        return "scaled up"
    gate = gate_of(move.after)
    if gate and gate != gate_of(move.before):
        return gate
    was_paused, is_paused = (bool(world.status.pause_conditions) for world in (move.before, move.after))
    if was_paused and not is_paused:
        return "pause ended"
    return "paused" if is_paused and not was_paused else "manifests updated"


def _action(move: Move, verb: str, index: int | None, steps: int) -> str:
    before, after = move.before.status, move.after.status
    is_on_the_way = index is not None and bool(before.stable_rs) and not after.abort
    if verb == ANALYZE:
        what = "aborted" if after.abort and not before.abort else "paused" if _evidence(move).verdict else "measured"
        return f"{what}, step {index}/{steps}" if is_on_the_way else what
    if verb != "advance":
        return f"{verb}, step {index}/{steps}" if is_on_the_way else verb
    reached = before.current_step_index != index or is_new_release(before, after)
    return "step" if is_on_the_way and reached else move_text(move)


def _replica_set_changes(move: Move) -> tuple[ReplicaSetChange, ...]:
    before, after = move.before, move.after
    revisions = {rs.name: rs.revision for world in (before, after) for rs in world.replica_sets}
    rows = []
    for name in sorted(revisions, key=lambda name: (-revisions[name], name)):
        old, new = before.replica_set(name), after.replica_set(name)
        if old is not None and new is not None and not old.replicas and not new.replicas:
            continue
        shown = new or old
        assert shown is not None
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
    low, high = pod_limits(world, replica_set)
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
