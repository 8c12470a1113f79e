"""The moves that a release has yet to make: all to its end, or those that can be made now."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.resolve.moves import Move, Wait, advance, follow_promotion, steps_of, wait
from renderer.rollouts import actions
from renderer.rollouts.controller import next_wakeup
from renderer.rollouts.model.world import World

MAX_MOVES = 1000
"""More commits than any release needs: a guard against a release that never ends."""
NO_WAIT = Wait("", None)


def course(world: World) -> Iterator[tuple[Move, Wait]]:
    """Yield every move to the end of the release, each with the wait that ended before it.

    A wait ends at its ``until``, and without one by a promotion.  Raises RollstepError with the step that cannot be
    done.
    """
    for _ in range(MAX_MOVES):
        try:
            move, reason = advance(world), NO_WAIT
            if move is None:
                move, reason = _after(world)
        except RollstepError as error:
            step = _next_step(world)
            message = f"{step} cannot be done: {{}}"
            raise RollstepError(replace(one, message=message.format(one.message)) for one in error.findings) from error
        if move is None:
            return
        yield move, reason
        world = move.after
    raise _endless(world)


def proposals(world: World) -> Iterator[tuple[str, Move]]:
    """Yield the moves that can be made at ``world.now``, each with its verb: ``advance``, or ``promote`` at a pause."""
    for _ in range(MAX_MOVES):
        verb, move = "advance", advance(world)
        if move is None and _can_promote(wait(world)):
            verb, move = "promote", follow_promotion(world, actions.promote(world))
        if move is None:
            return
        yield verb, move
        world = move.after
    raise _endless(world)


def _after(world: World) -> tuple[Move | None, Wait]:
    """Return the move after a wait: at the next time at which the controller acts by itself, or by a promotion."""
    reason = wait(world)
    for time in filter(None, (next_wakeup(world), reason.until)):
        move = advance(replace(world, now=time))
        if move is not None:
            return move, replace(reason, until=time)
    promoted = follow_promotion(world, actions.promote(world)) if _can_promote(reason) else None
    return promoted, replace(reason, until=None)


def _can_promote(reason: Wait) -> bool:
    return reason.reason not in ("", "aborted")


def _next_step(world: World) -> str:
    steps, index = steps_of(world), (world.status.current_step_index or 0) + 1
    return f"step {index + 1} of {len(steps)} ({steps[index].kind})" if index < len(steps) else "the end of the release"


def _endless(world: World) -> AssertionError:
    return AssertionError(f"the release of {world.rollout.name} does not end within {MAX_MOVES} commits")
