"""What one commit of a release does (pure): the engine, stopped where a commit ends.

The controller runs on as soon as pods are ready; git can't see pods.  So a commit ends where the controller would wait:
after each canary step, at a pause, and, in a release without steps, when new pods have to become available.  Going on
from there (``advance``) takes for granted that what was committed has been applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.resolve.commit_content import moved, rendered
from renderer.pipeline.resolve.ordering.phases import Round, as_observed, is_half_shifted, next_round
from renderer.pipeline.resolve.ordering.waves import joined, waves_of
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup, settle
from renderer.rollouts.controller.gates import is_gate, open_gate
from renderer.rollouts.controller.reconcile import Settled, with_available_pods
from renderer.rollouts.controller.step_hash import compute_step_hash
from renderer.rollouts.controller.templates import rollout_hash
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.spec import CanaryStep, CanaryStrategy
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import CONTRACT, EXPAND, PHASES, SHIFT, World, Write

MAX_MOVES = 1000
"""More commits than any release needs: a guard against a release that never ends."""


class Move(Struct, frozen=True):
    """The step from one commit to the next: the world before and after, and the controller's writes between them.

    ``added`` are objects that the user has from now on, as the user's manifests are to have them.
    """

    before: World
    after: World
    writes: tuple[Write, ...]
    added: Mapping[ObjectKey, Body] = field(default_factory=dict)


class Wait(Struct, frozen=True):
    """Why a release does not go on by itself.

    ``reason`` is the pause's reason (``CanaryPauseStep``, ``BlueGreenPause``, ``manually paused``), ``aborted``, what
    waits for a person's word (``open_gate``), or empty where the release is complete;
    ``until`` is when it goes on without anybody's help.
    """

    reason: str
    until: datetime | None


def steps_of(world: World) -> tuple[CanaryStep, ...]:
    """Return the canary steps; none for a blue-green Rollout."""
    strategy = world.rollout.strategy
    return strategy.steps if isinstance(strategy, CanaryStrategy) else ()


def advance(world: World, *, to_step: int | None = None) -> Move | None:
    """Return the next commit's move at ``world.now``, or None where the release has to wait or is complete.

    With ``to_step`` the move does not go beyond that ``currentStepIndex``.
    """
    if _in_phases(world):
        move = _advance_phase(world, to_step)
        return move if move is None or world.order != "waves" else _in_waves(move, to_step, {}, PHASES)
    steps = steps_of(world)
    is_canary_with_steps = bool(steps) and bool(world.status.stable_rs)
    applied = with_available_pods(world)
    after, writes = _next_step(applied, steps, to_step) if is_canary_with_steps else _next_stage(applied)
    return Move(world, after, writes) if moved(world, after) else None


def react(world: World, *, since: World | None = None) -> Move:
    """Return what the controller makes of ``world`` at the current step, without ending that step.

    This is what ``render`` writes, and what follows a verb (abort, scale, a new image): the step that the world is at
    then is held.  ``since`` is the world before that verb: where the steps begin anew since, a pause that follows the
    first of them is entered, as ``advance`` does it.
    """
    if _in_phases(world):
        return _react_in_phases(world, since)
    steps = steps_of(world)
    if not steps or not world.status.stable_rs:
        settled, _ = _stages(world)
        return Move(world, settled.world, settled.writes)
    settled = _hold_step(world)
    after, writes = settled.world, settled.writes
    if is_new_release(since or world, after):
        after, writes = _enter_pause(after, writes, steps)
    return Move(world, after, writes)


def go_on(world: World, promoted: World) -> Move | None:
    """Return the move that follows a promotion: what the step asks for that it skipped to, else the next step.

    None where nothing comes of it.  In the middle of a step that is committed in phases, a promotion is a person's word
    that the last phase is live, and the next one follows.
    """
    if _in_phases(world) and is_between_phases(world):
        return advance(world)
    if promoted.status.current_step_index == world.status.current_step_index:
        move = advance(promoted)
    else:
        move = react(promoted)
        after, writes = _enter_pause(move.after, move.writes, steps_of(world))
        move = replace(move, after=after, writes=writes)
    return None if move is None or not moved(world, move.after) else replace(move, before=world)


def at_step(world: World, step: int) -> Move:
    """Return the world as the controller leaves it while ``currentStepIndex`` is ``step``, pauses taken as over.

    ``step`` may be any index from 0 to the number of steps (all done).
    """
    status = replace(
        world.status, current_step_index=step, pause_conditions=(), controller_pause=False, abort=False, aborted_at=None
    )
    settled = settle(replace(world, status=status), hold_step=step)
    return Move(world, settled.world, settled.writes)


def wait(world: World) -> Wait:
    """Say why ``world``, which ``advance`` does not move, stays as it is."""
    until = next_wakeup(world)
    status = world.status
    if world.rollout.paused:
        return Wait("manually paused", until)
    if status.abort:
        return Wait("aborted", until)
    if status.pause_conditions and (until is not None or not open_gate(world.rollout, status)):
        return Wait(status.pause_conditions[0].reason, until)
    return Wait(open_gate(world.rollout, status), until)


def course(world: World) -> Iterator[tuple[Move, Wait]]:
    """Yield every move to the end of the release, each with what had to happen before it.

    Pauses are promoted and the clock is put forward where nothing else moves, as a patient operator would do it; the
    sequence is that of the commits which ``advance`` and ``promote`` make.
    """
    for _ in range(MAX_MOVES):
        reason = Wait("", None)
        move = advance(world)
        if move is None:
            reason = wait(world)
            move = _after_waiting(world, reason)
        if move is None:
            return
        yield move, reason
        world = move.after
    raise AssertionError(f"the release of {world.rollout.name} does not end within {MAX_MOVES} commits")


def proposals(world: World) -> Iterator[tuple[str, Move]]:
    """Yield the commits that can be made at ``world.now``, each with its verb: ``advance``, or ``promote`` at a pause.

    Unlike ``course`` this leaves the clock where it is: it ends where time alone has to pass.
    """
    for _ in range(MAX_MOVES):
        verb, move = "advance", advance(world)
        if move is None and wait(world).reason not in ("", "aborted"):
            verb, move = "promote", go_on(world, actions.promote(world))
        if move is None:
            return
        yield verb, move
        world = move.after
    raise AssertionError(f"the release of {world.rollout.name} does not end within {MAX_MOVES} commits")


def _after_waiting(world: World, reason: Wait) -> Move | None:
    if reason.until is not None:
        move = advance(replace(world, now=max(world.now, reason.until)))
        if move is not None:
            return move
    if reason.reason in ("", "aborted"):
        return None
    return go_on(world, actions.promote(world))


def _next_step(
    world: World, steps: tuple[CanaryStep, ...], to_step: int | None = None
) -> tuple[World, tuple[Write, ...]]:
    """Run the engine to the end of the current step and through what the following one asks for."""
    index = world.status.current_step_index or 0
    settled = _hold_step(world)
    begun = is_new_release(world, settled.world)
    if not begun and (to_step is None or index < to_step):
        settled = settle(world, hold_step=index + 1)
    return _enter_pause(settled.world, settled.writes, steps, to_step)


def _hold_step(world: World) -> Settled:
    """Do what the current step asks for and do not end it; where the steps begin anew, that is the first one."""
    index = world.status.current_step_index or 0
    if index and _asks_for_another(world):
        # It begins at the first step: to go through the steps up to the old index would be for nothing.
        settled = settle(world, hold_step=0)
        if is_new_release(world, settled.world):
            return settled
    settled = settle(world, hold_step=index)
    return settle(world, hold_step=0) if index and is_new_release(world, settled.world) else settled


def _asks_for_another(world: World) -> bool:
    """Tell whether the Rollout has another pod template or other steps than the status knows."""
    rollout, status = resolve_workload(world).rollout, world.status
    if status.current_step_hash != compute_step_hash(rollout):
        return True
    return status.current_pod_hash != rollout_hash(rollout, status.collision_count, world.controller_version)


def is_new_release(before: World, after: World) -> bool:
    """Tell whether the steps begin anew between two worlds: another pod template, other steps, or a retry."""
    return begins_anew(before.status, after.status)


def begins_anew(old: RolloutStatus, new: RolloutStatus) -> bool:
    """Tell of two statuses what ``is_new_release`` tells of worlds."""
    return (
        old.current_pod_hash != new.current_pod_hash
        or old.current_step_hash != new.current_step_hash
        or (old.abort and not new.abort)
    )


def _enter_pause(
    world: World, writes: tuple[Write, ...], steps: tuple[CanaryStep, ...], to_step: int | None = None
) -> tuple[World, tuple[Write, ...]]:
    """Go on into a pause or gate that follows the step just done: it changes no manifest and starts a pause's clock."""
    while True:
        index = world.status.current_step_index
        if index is None or index + 1 >= len(steps) or _waits(steps[index]) or not _waits(steps[index + 1]):
            return world, writes
        if world.status.abort or world.rollout.paused or (to_step is not None and index >= to_step):
            return world, writes
        settled = settle(world, hold_step=index + 1, hold=world.in_phases)
        if settled.world.status.current_step_index != index + 1 or rendered(settled.world) != rendered(world):
            return world, writes
        world, writes = settled.world, writes + settled.writes


def _waits(step: CanaryStep) -> bool:
    return step.pause is not None or is_gate(step)


def _next_stage(world: World) -> tuple[World, tuple[Write, ...]]:
    """Run the engine up to where new pods have to become available, for a release without steps."""
    stage, full = _stages(world)
    settled = full if rendered(stage.world) == rendered(world) else stage
    return settled.world, settled.writes


def _stages(world: World) -> tuple[Settled, Settled]:
    """Run the engine with the pods that are there, and with all that it asks for.

    The two are one where the pods make no difference to what is rendered, and for a first release.
    """
    full = settle(world)
    if not world.status.stable_rs:
        return full, full
    stage = settle(world, hold=True)
    return (full if rendered(stage.world) == rendered(full.world) else stage), full


def _in_phases(world: World) -> bool:
    """Tell whether phases matter; a first release has nothing that requests go to before it."""
    return world.in_phases and bool(world.status.stable_rs)


def is_between_phases(world: World) -> bool:
    """Tell whether more of the last step is to come once what was committed is live."""
    return bool(world.phase_left) or any(rs.available_replicas < rs.replicas for rs in world.replica_sets)


def _advance_phase(world: World, to_step: int | None) -> Move | None:
    """Return the move of the next phase: of what the current step still asks for, else of the step after it."""
    applied = with_available_pods(world)
    steps = steps_of(world)
    done = _held_round(applied)
    index = done.world.status.current_step_index or 0
    finished = rendered(done.world) == rendered(applied) and not is_new_release(applied, done.world)
    if steps and finished and (to_step is None or index < to_step):
        done = next_round(applied, hold_step=index + 1)
    after, writes = done.world, done.writes
    if not after.phase_left:
        after, writes = _enter_pause(after, writes, steps, to_step)
    return Move(world, after, writes) if moved(world, after) else None


def _in_waves(move: Move, to_step: int | None, kept: Mapping[ObjectKey, str], phases: tuple[str, ...]) -> Move:
    """Return the move with those of ``phases`` that follow it, as far as one commit can hold them as sync waves.

    ``kept`` are the waves of the last commit, where that may not be live: what it changed waits as it would have then.
    """
    after = replace(move.after, waves=waves_of(move.before, move.after, kept))
    writes = move.writes
    while is_between_phases(after):
        following = _advance_phase(after, to_step)
        world = None if following is None else joined(move.before, after, following.after)
        if following is None or world is None or following.after.phase not in phases:
            break
        after, writes = world, writes + following.writes
    return Move(move.before, after, writes)


def _has_begun(world: World, after: World) -> bool:
    """Tell whether the release that ``after`` is in is the one that the last commit was about."""
    newest = world.replica_set_by_hash(after.status.current_pod_hash)
    begun = newest is not None and newest.revision == max(rs.revision for rs in world.replica_sets)
    return begun or not is_new_release(world, after)


def _held_round(world: World) -> Round:
    """Return the first phase of what the current step asks for; where the steps begin anew, of the first one."""
    if not steps_of(world):
        return next_round(world)
    index = world.status.current_step_index or 0
    done = next_round(world, hold_step=index)
    return next_round(world, hold_step=0) if index and is_new_release(world, done.world) else done


def _react_in_phases(world: World, since: World | None) -> Move:
    """Return the first phase of what the controller makes of ``world`` with the pods that the last commit began with.

    Whether that commit is live is not known here, so no pods are taken away: ``advance`` does that.
    """
    # What the manifests ask for anew waits for the other half, as verbs do.
    if since is None and is_half_shifted(world):
        return Move(world, world, ())
    # A render has the pods as the last commit had them; a verb counts none that this commit was to take away.
    done = _held_round(world if since is None else as_observed(world))
    after, writes = done.world, done.writes
    if since is None and world.phase_left and _has_begun(world, after):
        return Move(world, world, ())
    if after.phase == CONTRACT:
        return Move(world, replace(world, phase=(since or world).phase, phase_left=CONTRACT), ())
    if is_new_release(since or world, after) and not after.phase_left:
        after, writes = _enter_pause(after, writes, steps_of(world))
    move = Move(world, after, writes)
    if world.order != "waves" or since is None:
        return move
    # Pods are taken away by `advance` alone, as above.
    return _in_waves(move, after.status.current_step_index, world.waves, (EXPAND, SHIFT))
