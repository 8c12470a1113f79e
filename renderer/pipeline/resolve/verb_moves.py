"""The verbs as moves: an action of ``actions``, and the controller's reaction to it.

They are partial functions instead of closures, so that they can be pickled for another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.resolve.moves import Move, follow_promotion, has_effect, react
from renderer.pipeline.resolve.ordering.phases import is_half_shifted
from renderer.pipeline.resolve.waiting import with_running_template
from renderer.rollouts import actions
from renderer.rollouts.model.world import World

Action = Callable[[World], World]
Verb = Callable[[World], Move | None]
"""Returns the move of a verb, None if it is empty; raises RollstepError where the verb is refused."""


def acting(action: Action) -> Verb:
    """Return the verb that does ``action`` and holds the step that the release is at then.

    It acts on the running release, whatever version waits in the sources.
    """
    return partial(_act, action)


def beginning(action: Action) -> Verb:
    """Return the verb that does ``action``, a change of the pod template, and begins its revision."""
    return partial(_begin, action)


def promoting(action: Action) -> Verb:
    """Return the verb that does ``action``, a promotion, and goes on to the end of the next step."""
    return partial(_promote, action)


def scaling(replicas: int) -> Action:
    """Return the action that sets ``spec.replicas``.

    It raises RollstepError where an autoscaler sets the replicas, which would override it.  To 0 and back is allowed:
    in a cluster that switches autoscaling off and on.
    """
    return partial(_scale, replicas)


def setting_images(images: Mapping[str, str]) -> Action:
    """Return the action that sets the images of containers by the containers' names."""
    return partial(_set_images, images)


def _act(action: Action, world: World) -> Move | None:
    return _begin(action, with_running_template(world))


def _begin(action: Action, world: World) -> Move | None:
    if is_half_shifted(world):
        message = "the last commit is one half of a shift of traffic"
        raise RollstepError(message, hint="make the other half with `rollstep advance` first")
    move = replace(react(action(world), since=world), before=world)
    if move.is_empty:
        return None
    if not has_effect(move):
        # A commit would say that it did what it only wrote down.
        message = "changes nothing that is rendered"
        if move.after.rollout.paused:
            raise RollstepError(f"{message}, because the release is paused", hint="`rollstep resume` goes on first")
        raise RollstepError(message, hint="see `rollstep get` for what holds the release")
    return move


def _promote(action: Action, world: World) -> Move | None:
    world = with_running_template(world)
    return follow_promotion(world, action(world))


def _scale(replicas: int, world: World) -> World:
    if world.autoscaler is not None and replicas and world.rollout.replicas:
        name = world.autoscaler["metadata"]["name"]
        message = f"the HorizontalPodAutoscaler {name} owns the number of pods"
        hint = (
            "change its minReplicas and maxReplicas, commit that, and run `rollstep advance`; --replicas 0 is allowed"
        )
        raise RollstepError(message, hint=hint)
    return actions.scale(world, replicas)


def _set_images(images: Mapping[str, str], world: World) -> World:
    for container, image in images.items():
        world = actions.set_image(world, container, image)
    return world
