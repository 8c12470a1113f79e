"""The verbs as moves: an action of ``actions`` and what the controller makes of it (pure).

None of them is a closure, so that another process can be told to do it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.resolve.commit_content import moved
from renderer.pipeline.resolve.moves import Move, go_on, react
from renderer.pipeline.resolve.ordering.phases import is_half_shifted
from renderer.rollouts import actions
from renderer.rollouts.model.world import World

Action = Callable[[World], World]


def acting(action: Action) -> Callable[[World], Move | None]:
    """Return the verb that does ``action`` and holds the step that the release is at then."""
    return partial(_act, action)


def _act(action: Action, world: World) -> Move | None:
    if is_half_shifted(world):
        message = "the last commit is one half of a shift of traffic"
        raise RollstepError(message, hint="make the other half with `rollstep advance` first")
    move = replace(react(_acted(action, world), since=world), before=world)
    return move if moved(world, move.after) else None


def _acted(action: Action, world: World) -> World:
    """Return the world after ``action``; refuse one that changes the workload that ``workloadRef`` names.

    The Rollout's own file can be edited for the user; a workload is a manifest that passes through.
    """
    acted = action(world)
    changed = [key for key, body in acted.objects.items() if world.objects.get(key) != body]
    if changed:
        names = ", ".join(f"{key.kind} {key.name}" for key in changed)
        message = f"the pod template is in {names}, which spec.workloadRef names"
        raise RollstepError(message, hint="change it there, commit it, and run `rollstep advance`")
    return acted


def promoting(action: Action) -> Callable[[World], Move | None]:
    """Return the verb that does ``action`` and goes on to the end of the next step."""
    return partial(_promote, action)


def _promote(action: Action, world: World) -> Move | None:
    return go_on(world, _acted(action, world))


def scaling(replicas: int) -> Action:
    """Return the action that sets ``spec.replicas``.

    Refused where an autoscaler owns the number of pods: it would take no notice.  Down to 0 and up from there goes, as
    that is how autoscaling is switched off and on in a cluster.
    """
    return partial(_scale, replicas)


def _scale(replicas: int, world: World) -> World:
    if world.autoscaler is not None and replicas and world.rollout.replicas:
        name = world.autoscaler["metadata"]["name"]
        message = f"the HorizontalPodAutoscaler {name} owns the number of pods"
        hint = "change its minReplicas and maxReplicas, commit that, and run `rollstep advance`; --replicas 0 goes"
        raise RollstepError(message, hint=hint)
    return actions.scale(world, replicas)


def setting_images(images: Mapping[str, str]) -> Action:
    """Return the action that sets the image of each named container."""
    return partial(_set_images, images)


def _set_images(images: Mapping[str, str], world: World) -> World:
    for container, image in images.items():
        world = actions.set_image(world, container, image)
    return world
