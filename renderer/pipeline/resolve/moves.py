"""The move of a release that one commit makes: the engine, stopped where a commit ends.

The controller goes on as soon as pods are available, which git cannot see.  A commit therefore ends after each canary
step, at a pause, and, in a release without steps, where new pods have to become available.  ``advance`` assumes that
the last commit has been applied and its pods are available; ``react`` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.resolve.commit_content import differs, rendered
from renderer.pipeline.resolve.ordering.phases import as_observed, is_half_shifted, settle_phase
from renderer.pipeline.resolve.ordering.waves import joined, waves_of
from renderer.rollouts.controller import next_wakeup, settle
from renderer.rollouts.controller.experiment import experiment_end
from renderer.rollouts.controller.gates import is_gate, open_gate
from renderer.rollouts.controller.reconcile import Settled, with_available_pods
from renderer.rollouts.controller.step_hash import compute_step_hash
from renderer.rollouts.controller.templates import rollout_hash
from renderer.rollouts.controller.timing import pause_end
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.spec import CanaryStep
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import CONTRACT, EXPAND, PHASES, SHIFT, World, Write


class Move(Struct, frozen=True):
    """The worlds before and after one commit, and the controller's writes between them.

    ``added`` are the objects that the commit adds to the user's manifests.
    """

    before: World
    after: World
    writes: tuple[Write, ...]
    added: Mapping[ObjectKey, Body] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True if the move changes nothing that a commit holds."""
        return not differs(self.before, self.after)


def has_effect(move: Move) -> bool:
    """Return whether a move changes a rendered object or the status, now or in a phase that it leaves."""
    before, after = move.before, move.after
    return before.phase_left != after.phase_left or differs(replace(before, rollout=after.rollout), after)


class Wait(Struct, frozen=True):
    """The reason why a release does not go on by itself, and its end; None if only a person ends it.

    ``reason`` is the pause's reason (``CanaryPauseStep``, ``BlueGreenPause``), ``manually paused``, ``aborted``, the
    gate that a person opens (``open_gate``), or empty where the release is complete.  ``detail`` is more on the reason.
    """

    reason: str
    until: datetime | None
    detail: str = ""


def steps_of(world: World) -> tuple[CanaryStep, ...]:
    """Return the canary steps; none for a blue-green Rollout."""
    canary = world.rollout.canary
    return canary.steps if canary is not None else ()


def is_new_release(old: RolloutStatus, new: RolloutStatus) -> bool:
    """Return whether the steps begin anew between two statuses: another pod template, other steps, or a retry."""
    return (
        old.current_pod_hash != new.current_pod_hash
        or old.current_step_hash != new.current_step_hash
        or (old.abort and not new.abort)
    )


def is_between_phases(world: World) -> bool:
    """Return whether the last step needs another commit once the last commit is live."""
    return bool(world.phase_left) or any(rs.available_replicas < rs.replicas for rs in world.replica_sets)


def advance(world: World, *, to_step: int | None = None) -> Move | None:
    """Return the move of the next commit at ``world.now``; None where the release waits or is complete.

    With ``to_step`` the move does not go beyond that ``currentStepIndex``.
    """
    if _in_phases(world):
        move = _next_phase(world, to_step)
        return move if move is None or world.order != "waves" else _in_waves(move, to_step, {}, PHASES)
    applied = with_available_pods(world)
    with_steps = steps_of(world) and world.status.stable_rs
    settled = _next_step(applied, to_step) if with_steps else _next_stage(applied)
    move = Move(world, settled.world, settled.writes)
    if with_steps:
        move = _enter_pause(move, to_step)
    return None if move.is_empty else move


def react(world: World, *, since: World | None = None) -> Move:
    """Return the controller's move at the current step, without an end of that step.

    ``render`` writes this move, and so does every verb after its action (abort, scale, a new image).  ``since`` is the
    world before such an action: if the steps have begun anew since, a pause after the first step is entered.
    """
    if _in_phases(world):
        return _react_in_phases(world, since)
    if not steps_of(world) or not world.status.stable_rs:
        settled, _ = _stages(world)
        return Move(world, settled.world, settled.writes)
    settled = _hold_step(world)
    move = Move(world, settled.world, settled.writes)
    return _enter_pause(move) if is_new_release((since or world).status, move.after.status) else move


def follow_promotion(world: World, promoted: World) -> Move | None:
    """Return the move after a promotion of ``world``: the step that it skipped to, else the next one; None if empty.

    Between two phases of a step, a promotion states that the last phase is live, so the next phase follows.
    """
    if _in_phases(world) and is_between_phases(world):
        following = advance(world)
        # No phase may follow after all, where the manifests have changed since the last one.
        if following is not None:
            return following
    if promoted.status.current_step_index == world.status.current_step_index:
        move = advance(promoted)
    else:
        move = _enter_pause(react(promoted))
    if move is not None:
        move = replace(move, before=world)
    return None if move is None or move.is_empty else move


def at_step(world: World, step: int) -> World:
    """Return the world as the controller leaves it while ``currentStepIndex`` is ``step``, all pauses being over.

    ``step`` is from 0 to the number of steps (all done).
    """
    status = replace(
        world.status, current_step_index=step, pause_conditions=(), controller_pause=False, abort=False, aborted_at=None
    )
    return settle(replace(world, status=status), hold_step=step).world


def gate_of(world: World) -> str:
    """Return the gate that a release waits at, as ``open_gate``; empty if it waits at none."""
    return open_gate(world.rollout, world.status, holds_last_step=world.holds_last_step)


def wait(world: World) -> Wait:
    """Return why ``advance`` does not move ``world``."""
    status, gate = world.status, gate_of(world)
    if world.rollout.paused:
        return Wait("manually paused", None)
    if status.abort:
        return Wait("aborted", None)
    end = _later(pause_end(world), world.now)
    if status.pause_conditions and (end is not None or not gate):
        return Wait(status.pause_conditions[0].reason, end)
    # Old ReplicaSets are scaled down at their deadline, whatever the release waits for.
    return Wait(gate, _later(experiment_end(world), world.now)) if gate else Wait("", next_wakeup(world))


def _later(time: datetime | None, now: datetime) -> datetime | None:
    return time if time is not None and time > now else None


def _next_step(world: World, to_step: int | None) -> Settled:
    """Run the engine to the end of the current step and through the actions of the following one."""
    index = world.status.current_step_index or 0
    settled = _hold_step(world)
    if is_new_release(world.status, settled.world.status) or (to_step is not None and index >= to_step):
        return settled
    return settle(world, hold_step=index + 1)


def _hold_step(world: World, run: Callable[..., Settled] = settle) -> Settled:
    """Run the current step without ending it; where the steps begin anew, the first one."""
    if not steps_of(world):
        return run(world)
    index = world.status.current_step_index or 0
    if index and _has_new_spec(world):
        # The steps begin anew: this skips the way through them up to the old index.
        settled = run(world, hold_step=0)
        if is_new_release(world.status, settled.world.status):
            return settled
    settled = run(world, hold_step=index)
    begins_anew = is_new_release(world.status, settled.world.status)
    return run(world, hold_step=0) if index and begins_anew else settled


def _has_new_spec(world: World) -> bool:
    """Return whether the Rollout has another pod template or other steps than the status."""
    rollout, status = resolve_workload(world).rollout, world.status
    if status.current_step_hash != compute_step_hash(rollout):
        return True
    return status.current_pod_hash != rollout_hash(rollout, status.collision_count, world.controller_version)


def _enter_pause(move: Move, to_step: int | None = None) -> Move:
    """Extend a move into the pauses and gates that follow: they change no manifest, and a pause's clock starts."""
    steps = steps_of(move.after)
    while True:
        world = move.after
        index = world.status.current_step_index
        if index is None or index + 1 >= len(steps) or _waits(steps[index]) or not _waits(steps[index + 1]):
            return move
        if world.status.abort or world.rollout.paused or (to_step is not None and index >= to_step):
            return move
        settled = settle(world, hold_step=index + 1, hold=world.in_phases)
        if settled.world.status.current_step_index != index + 1 or rendered(settled.world) != rendered(world):
            return move
        move = _extended(move, settled.world, settled.writes)


def _waits(step: CanaryStep) -> bool:
    return step.pause is not None or is_gate(step)


def _extended(move: Move, world: World, writes: tuple[Write, ...]) -> Move:
    return replace(move, after=world, writes=move.writes + writes)


def _next_stage(world: World) -> Settled:
    """Run the engine up to where new pods have to become available, for a release without steps."""
    stage, full = _stages(world)
    return full if rendered(stage.world) == rendered(world) else stage


def _stages(world: World) -> tuple[Settled, Settled]:
    """Run the engine with the pods that are available, and with all pods available.

    Both are the same for a first release, and where the pods do not change what is rendered.
    """
    full = settle(world)
    if not world.status.stable_rs:
        return full, full
    stage = settle(world, hold=True)
    return (full if rendered(stage.world) == rendered(full.world) else stage), full


def _in_phases(world: World) -> bool:
    """Return whether steps are split into phases; a first release is not, since it has no requests yet."""
    return world.in_phases and bool(world.status.stable_rs)


def _next_phase(world: World, to_step: int | None) -> Move | None:
    """Return the move of the next phase: of the current step if it has one left, else of the step after it."""
    applied = with_available_pods(world)
    settled = _hold_step(applied, settle_phase)
    status = settled.world.status
    index = status.current_step_index or 0
    is_done = rendered(settled.world) == rendered(applied) and not is_new_release(applied.status, status)
    if steps_of(world) and is_done and (to_step is None or index < to_step):
        settled = settle_phase(applied, hold_step=index + 1)
    move = Move(world, settled.world, settled.writes)
    if not move.after.phase_left:
        move = _enter_pause(move, to_step)
    return None if move.is_empty else move


def _react_in_phases(world: World, since: World | None) -> Move:
    """Return the first phase at the current step, with the pods that were available before the last commit.

    Pods are not removed, since the last commit may not be live: only ``advance`` removes them.
    """
    # Changed manifests wait for the other half of a shift, as verbs do.
    if since is None and is_half_shifted(world):
        return Move(world, world, ())
    # A verb does not count the pods that the last commit removes; a render does.
    settled = _hold_step(world if since is None else as_observed(world), settle_phase)
    move = Move(world, settled.world, settled.writes)
    if since is None and world.phase_left and _has_begun(world, move.after):
        return Move(world, world, ())
    if move.after.phase == CONTRACT:
        return Move(world, replace(world, phase=(since or world).phase, phase_left=CONTRACT), ())
    if is_new_release((since or world).status, move.after.status) and not move.after.phase_left:
        move = _enter_pause(move)
    if world.order != "waves" or since is None:
        return move
    return _in_waves(move, move.after.status.current_step_index, world.waves, (EXPAND, SHIFT))


def _has_begun(world: World, after: World) -> bool:
    """Return whether the release of ``after`` is the one of the last commit."""
    newest = world.replica_set_by_hash(after.status.current_pod_hash)
    begun = newest is not None and newest.revision == max(rs.revision for rs in world.replica_sets)
    return begun or not is_new_release(world.status, after.status)


def _in_waves(move: Move, to_step: int | None, kept: Mapping[ObjectKey, str], phases: tuple[str, ...]) -> Move:
    """Extend a move by those of ``phases`` that follow it, as far as sync waves can hold them in one commit.

    ``kept`` are the waves of the last commit if that may not be live: its objects keep them.
    """
    move = replace(move, after=replace(move.after, waves=waves_of(move.before, move.after, kept)))
    while is_between_phases(move.after):
        following = _next_phase(move.after, to_step)
        world = None if following is None else joined(move.before, move.after, following.after)
        if following is None or world is None or following.after.phase not in phases:
            break
        move = _extended(move, world, following.writes)
    return move
