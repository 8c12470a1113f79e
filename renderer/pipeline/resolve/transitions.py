"""The transitions of a release: the move of each verb from the world before a commit, and whether one goes forward."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.resolve.analyses import ANALYZE, keeps_time
from renderer.pipeline.resolve.moves import Move, advance, is_new_release, react
from renderer.pipeline.resolve.verb_moves import acting, promoting
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts import actions
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import World

BEGINNINGS = ("set image", "undo", "restart", "edit")
"""Verbs that edit the Rollout's pod template, and ``edit``, any commit that does: the manifest alone decides."""
EDITS = ("scale", "pause", "resume", "migrate")
"""Verbs that edit other fields of the Rollout; a version that waits does not begin."""

_ACTIONS = {
    "abort": acting(actions.abort),
    "retry": acting(actions.retry),
    "promote": promoting(actions.promote),
    "promote --skip-current-step": promoting(actions.skip_step),
    "promote full": acting(actions.promote_full),
}


class Transition(Struct, frozen=True):
    """The move of a verb; ``keep_time`` where only manifests change, and the time of the last move stays."""

    verb: str
    move: Move
    keep_time: bool = False


def transitions(world: World, recorded: str, step: int | None, measured: World | None = None) -> Iterator[Transition]:
    """Yield the transition of every verb from ``world``, that of ``recorded`` (the text of a trailer) first.

    ``world`` has the user's manifests of the commit, the status and the ReplicaSets of the commit before, and the time
    of the move.  ``step`` is the ``currentStepIndex`` that the commit reached.  ``measured`` is the world with what the
    commit measured, None for nothing.
    """
    verbs = [
        "advance",
        *([ANALYZE] if measured is not None else []),
        *([] if step is None else [f"advance --to {step}"]),
        *_ACTIONS,
        "edit",
        "render",
    ]
    for verb in dict.fromkeys([*([recorded] if recorded else []), *verbs]):
        found = transition(world, verb, measured)
        if found is not None:
            yield found


def transition(world: World, verb: str, measured: World | None = None) -> Transition | None:
    """Return the transition of ``verb``, the text of a trailer; None if it is unknown, refused or without effect.

    ``measured`` is as in ``transitions``.
    """
    if verb == ANALYZE:
        if measured is None:
            return None
        from renderer.pipeline.resolve.measured import analyze

        move = analyze(world, measured)
        return None if move is None else Transition(verb, move, keep_time=keeps_time(move))
    if verb in _ACTIONS:
        try:
            move = _ACTIONS[verb](world)
        except RollstepError:
            return None
        if move is None and verb == "promote":
            # Of a version whose revision was taken back.
            move = advance(world)
        return None if move is None else Transition(verb, move)
    if verb in BEGINNINGS:
        return Transition(verb, react(world, since=world))
    if verb in EDITS:
        running = with_running_template(world)
        return Transition(verb, react(running, since=running))
    if verb == "render":
        move = react(with_running_template(world))
        return Transition(verb, move, keep_time=move.is_empty)
    name, _, to_step = verb.partition(" --to ")
    if name != "advance" or not (to_step.isdecimal() or not to_step):
        return None
    move = advance(measured or world, to_step=int(to_step) if to_step else None)
    if measured is not None:
        # What is only measured has the verb ``analyze``.
        return None if move is None else Transition(verb, replace(move, before=world))
    # Other changed manifests are committed even where the release waits.
    return Transition(verb, Move(world, world, ()), keep_time=True) if move is None else Transition(verb, move)


def goes_forward(before: World, after: World) -> bool:
    """Return whether a release goes forward between two worlds, which a freeze forbids and which needs approvals.

    Forward is a new pod template, a later step, more traffic to the new version, or the end of the release.  An abort,
    a pause and a change of scale do not go forward, nor does the way to a version older than the stable one.
    """
    old, new = before.status, after.status
    target, stable = after.replica_set_by_hash(new.current_pod_hash), before.replica_set_by_hash(old.stable_rs)
    if target is not None and stable is not None and target.created < stable.created:
        return False
    for was, becomes in (
        (old.stable_rs, new.stable_rs),
        (old.blue_green.active_selector, new.blue_green.active_selector),
    ):
        if was != becomes and not new.abort:
            return not _is_older(before, after, becomes, was)
    return status_goes_forward(old, new)


def status_goes_forward(old: RolloutStatus, new: RolloutStatus) -> bool:
    """Return ``goes_forward`` as far as two statuses show it, which do not say which version is older."""
    if new.abort:
        return False
    if new.stable_rs != old.stable_rs or new.blue_green.active_selector != old.blue_green.active_selector:
        return True
    if new.current_pod_hash == new.stable_rs:
        return False
    if is_new_release(old, new) or (new.promote_full and not old.promote_full):
        return True
    return (new.current_step_index or 0) > (old.current_step_index or 0) or _canary_weight(new) > _canary_weight(old)


def _is_older(before: World, after: World, one: str, other: str) -> bool:
    """Return whether the ReplicaSet of the hash ``one`` was created before that of ``other``."""
    first, second = (after.replica_set_by_hash(name) or before.replica_set_by_hash(name) for name in (one, other))
    return first is not None and second is not None and first.created < second.created


def _canary_weight(status: RolloutStatus) -> int:
    return status.canary.weights.canary.weight if status.canary.weights is not None else 0
