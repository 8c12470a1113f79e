"""What a commit may have done to a release (pure): each verb, done again on the world before it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from renderer.errors import RollstepError
from renderer.pipeline.resolve.commit_content import moved
from renderer.pipeline.resolve.moves import Move, advance, begins_anew, react
from renderer.pipeline.resolve.verb_moves import acting, promoting
from renderer.rollouts import actions
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import World

EDITS = ("set image", "scale", "undo", "restart", "pause", "resume", "migrate")
"""Verbs that edit the Rollout: what comes of them follows from its manifest alone."""

_ACTIONS = {
    "abort": acting(actions.abort),
    "retry": acting(actions.retry),
    "promote": promoting(actions.promote),
    "promote --skip-current-step": promoting(actions.skip_step),
    "promote full": acting(actions.promote_full),
}


class Transition(Struct, frozen=True):
    """What a verb makes of a release; ``keep_time`` where the release itself does not move, only its manifests."""

    verb: str
    move: Move
    keep_time: bool = False


def transitions(world: World, recorded: str, step: int | None) -> Iterator[Transition]:
    """Yield what every verb makes of ``world``: that of ``recorded`` (a trailer's text) first, if there is one.

    ``world`` has the user's manifests as the commit has them, the status and the ReplicaSets as the commit before has
    them, and the time at which the release moved.  ``step`` is the ``currentStepIndex`` that the commit reached.
    """
    verbs = ["advance", *([] if step is None else [f"advance --to {step}"]), *_ACTIONS, "edit", "render"]
    for verb in dict.fromkeys([*([recorded] if recorded else []), *verbs]):
        made = transition(world, verb)
        if made is not None:
            yield made


def transition(world: World, verb: str) -> Transition | None:
    """Return what ``verb``, as a trailer tells it, makes of ``world``; None where that is nothing, or no verb."""
    if verb in _ACTIONS:
        try:
            move = _ACTIONS[verb](world)
        except RollstepError:
            return None
        return None if move is None else Transition(verb, move)
    if verb == "edit" or verb in EDITS:
        return Transition(verb, react(world, since=world))
    if verb == "render":
        move = react(world)
        return Transition(verb, move, keep_time=not moved(world, move.after))
    name, _, to_step = verb.partition(" --to ")
    if name != "advance" or not (to_step.isdecimal() or not to_step):
        return None
    move = advance(world, to_step=int(to_step) if to_step else None)
    # What else has changed in the manifests is committed also where the release waits.
    return Transition(verb, Move(world, world, ()), keep_time=True) if move is None else Transition(verb, move)


def goes_forward(before: World, after: World) -> bool:
    """Tell whether a release goes forward between two worlds, which a freeze forbids and an approval is asked for.

    Forward is a new pod template, a later step, more traffic to the new version, or the end of the release.  Not
    forward is what an abort, a pause or a change of scale does, and the way to a version that is older than the stable
    one: back is always open.
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
    """Tell what ``goes_forward`` tells as far as the status shows it: older versions are not known by it."""
    if new.abort:
        return False
    if new.stable_rs != old.stable_rs or new.blue_green.active_selector != old.blue_green.active_selector:
        return True
    if new.current_pod_hash == new.stable_rs:
        return False
    if begins_anew(old, new) or (new.promote_full and not old.promote_full):
        return True
    return (new.current_step_index or 0) > (old.current_step_index or 0) or _canary_weight(new) > _canary_weight(old)


def _is_older(before: World, after: World, one: str, other: str) -> bool:
    """Tell whether the ReplicaSet of one hash was made before that of another."""
    first, second = (after.replica_set_by_hash(name) or before.replica_set_by_hash(name) for name in (one, other))
    return first is not None and second is not None and first.created < second.created


def _canary_weight(status: RolloutStatus) -> int:
    return status.canary.weights.canary.weight if status.canary.weights is not None else 0
