"""Simulation of a scenario: actions on a Rollout in a simulated cluster, with a frame after each.

The first document of a scenario is ``kind: Scenario`` with ``actions``; the others are the manifests to apply first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, field_path
from renderer.kubernetes.pod_defaults import default_pod_template
from renderer.rollouts import actions
from renderer.rollouts.controller import Settled, next_wakeup, settle
from renderer.rollouts.controller.conditions import is_completed
from renderer.rollouts.model.corrections import NO_CORRECTIONS
from renderer.rollouts.model.versions import DEFAULT_VERSION, is_since
from renderer.rollouts.model.world import World, Write
from renderer.rollouts.simulator.analysis_runs import Answer, error_of_answer
from renderer.rollouts.simulator.api_server import count_generations, default_object, world_of
from renderer.rollouts.simulator.documents import START, documents_of
from renderer.rollouts.simulator.rollout_analyses import RolloutAnalyses, with_analysis_runs

ACTION_INTERVAL = timedelta(seconds=2)
"""The time between actions, so that ReplicaSets differ in their creation times."""

SLOW_INTERVAL = timedelta(seconds=7)
"""The time that a recorded ``sleep`` lasts beyond its seconds from v1.10 on, whose passes wait for the cache.

Before v1.10 it is ``ACTION_INTERVAL``: the recordings of one scenario, whose deadline lies between, tell them apart.
"""

TAKEN_BACK = timedelta(seconds=22)
"""The time that an abort of a promoted Rollout, which the controller takes back at once, took in those of v1.10."""

LOOP_LIMIT = timedelta(seconds=60)
"""The time until the frame of a controller that writes for ever, as after an abort with a router."""


class Scenario(Struct, frozen=True):
    """A scenario's name, its actions as written, and the manifests to apply first.

    ``responses`` are the answers of each metric; without any, an analysis has no result unless an action gives it one.
    """

    name: str
    actions: tuple[Any, ...]
    manifests: tuple[Manifest, ...]
    responses: Mapping[str, Sequence[Answer]] | None = None


class Frame(Struct, frozen=True):
    """The settled world after an action, and the controller's writes.

    ``rejected`` is the error of a refused action, which does not change the world.  ``delayed``: the controller sleeps
    in the middle of a pass.
    """

    action: Any
    world: World
    writes: tuple[Write, ...]
    rejected: str = ""
    delayed: bool = False


def read_scenario(text: str, file: str) -> Scenario:
    """Read a scenario; raise ``RollstepError`` with every invalid action."""
    documents = documents_of(text, file)
    if not documents or not isinstance(documents[0].value, dict) or documents[0].value.get("kind") != "Scenario":
        raise RollstepError([Finding(file, 1, 0, "kind", "expected a first document of kind Scenario")])
    head, source = documents[0].value, documents[0].source
    listed = head.get("actions") or []
    findings = []
    for index, action in enumerate(listed):
        error = _error_of(action)
        if error:
            path: tuple[str | int, ...] = ("actions", index)
            findings.append(Finding(file, *source.position(path), field_path(path), error))
    responses = head.get("responses")
    for name, answers in (responses or {}).items():
        for index, error in enumerate(map(error_of_answer, answers)):
            if error:
                path = ("responses", name, index)
                findings.append(Finding(file, *source.position(path), field_path(path), error))
    if findings:
        raise RollstepError(findings)
    manifests = tuple(Manifest(item.value, item.source) for item in documents[1:] if isinstance(item.value, dict))
    return Scenario(str(head.get("name", "")), tuple(listed), manifests, responses)


def _verb(action: Any) -> tuple[str, Any]:
    """Return verb and argument of an action: ``promote``, ``undo``, ``undo: 2``, ``release: true`` …"""
    if isinstance(action, Mapping) and len(action) == 1:
        verb, argument = next(iter(action.items()))
        return str(verb), argument
    return (action, None) if isinstance(action, str) else ("", None)


PLAIN_ACTIONS: Mapping[str, Callable[[World], World]] = {
    "promote": actions.promote,
    "promoteFull": actions.promote_full,
    "skipStep": actions.skip_step,
    "abort": actions.abort,
    "retry": actions.retry,
    "restart": actions.restart,
    "pause": actions.pause,
    "resume": actions.resume,
}
"""The verbs without an argument."""

ARGUMENTS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(PLAIN_ACTIONS, ()),
    "setImage": (str,),
    "undo": (int,),
    "scale": (int,),
    "patch": (dict,),
    "patchObject": (dict,),
    "apply": (dict,),
    "hold": (str, bool),
    "release": (bool,),
    "sleep": (int, float),
    "metric": (dict,),
}
"""The types of each verb's argument; without any, the argument is missing or ``true``."""
NEEDS_ARGUMENT = ("setImage", "scale", "patch", "patchObject", "apply", "sleep", "metric")


def _error_of(action: Any) -> str:
    verb, argument = _verb(action)
    if verb not in ARGUMENTS:
        return f"unknown action {action!r}; known are {', '.join(sorted(ARGUMENTS))}"
    if argument is None:
        return f"{verb} needs a value" if verb in NEEDS_ARGUMENT else ""
    fits = isinstance(argument, ARGUMENTS[verb]) and (not isinstance(argument, bool) or bool in ARGUMENTS[verb])
    if not fits and (argument is not True or verb in NEEDS_ARGUMENT):
        return f"{verb} does not take {argument!r}"
    if verb == "setImage" and "=" not in str(argument):
        return f"expected NAME=IMAGE, found {argument!r}"
    if verb == "metric":
        return next(filter(None, (error_of_answer(item) for answers in argument.values() for item in answers)), "")
    if verb == "patchObject" and isinstance(argument, Mapping) and not {"kind", "name", "patch"} <= argument.keys():
        return "patchObject needs kind, name and patch"
    return ""


def simulate(
    scenario: Scenario,
    version: str = DEFAULT_VERSION,
    between: Callable[[World], World] | None = None,
    corrections: frozenset[str] = NO_CORRECTIONS,
) -> Iterator[Frame]:
    """Yield the frame after ``apply`` and after each action but ``hold``.

    ``between`` changes the world between two actions, unless available pods are held; ``corrections`` are the faults of
    the controller that the engine does not share.  Raise ``RollstepError`` for fields that the engine does not support.
    """
    world = replace(world_of(scenario.manifests, START, version), corrections=corrections)
    analyses = None if scenario.responses is None else RolloutAnalyses(scenario.manifests, scenario.responses)
    world = replace(world, is_measured=analyses is not None)
    held = False
    for action in ("apply", *scenario.actions):
        verb, argument = _verb(action)
        if verb == "hold":
            held = True
            continue
        if verb == "release":
            held = False
        rejected = ""
        try:
            acted = _act(world, verb, argument)
            if analyses is not None and verb == "promote":
                # In a cluster the AnalysisRun has its own result, which no promotion changes.
                acted = with_analysis_runs(acted, world)
            world = count_generations(world, acted)
        except RollstepError as refusal:
            rejected = str(refusal)
        if verb == "metric" and analyses is not None:
            analyses.answer(argument, world.now)
        settled = _settle(world, analyses, hold=held, until_delay=verb != "sleep")
        if verb == "sleep":
            later = SLOW_INTERVAL if is_since(version, "1.10") else ACTION_INTERVAL
            settled = _sleep(settled, timedelta(seconds=argument) + later, held=held)
        if verb == "abort" and is_since(version, "1.10") and is_completed(world.status):
            settled = _sleep(settled, TAKEN_BACK, held=held)
        if settled.loops:
            settled = _sleep(settled, LOOP_LIMIT, held=held, until_rest=True)
        world = settled.world
        yield Frame(action, world, settled.writes, rejected, settled.delayed)
        if between is not None and not held:
            world = between(world)
        world = replace(world, now=world.now + ACTION_INTERVAL)


def _settle(world: World, analyses: RolloutAnalyses | None, *, hold: bool, until_delay: bool) -> Settled:
    """Settle the world, and again after each analysis that ends."""
    settled = settle(world, hold=hold, until_delay=until_delay)
    writes = settled.writes
    while analyses is not None and (measured := analyses.measure(settled.world)) is not settled.world:
        settled = settle(measured, hold=hold, until_delay=until_delay)
        writes += settled.writes
    return replace(settled, writes=writes)


def _act(world: World, verb: str, argument: Any) -> World:
    if verb in PLAIN_ACTIONS:
        return PLAIN_ACTIONS[verb](world)
    if verb == "setImage":
        container, _, image = argument.partition("=")
        return actions.set_image(world, container, image)
    if verb == "undo":
        return _undo(world, argument if isinstance(argument, int) and argument is not True else 0)
    if verb == "scale":
        return actions.scale(world, argument)
    if verb == "patch":
        return actions.patch(world, argument)
    if verb == "apply" and argument:
        return actions.apply(world, argument)
    if verb == "patchObject":
        patched = actions.patch_object(world, argument["kind"], argument["name"], argument["patch"])
        return replace(patched, objects={key: default_object(body) for key, body in patched.objects.items()})
    return world


def _undo(world: World, to_revision: int) -> World:
    """Undo as in a cluster, where the restored template has all defaults of the API server."""
    stored = tuple(replace(rs, template=default_pod_template(rs.template)) for rs in world.replica_sets)
    return replace(actions.undo(replace(world, replica_sets=stored), to_revision), replica_sets=world.replica_sets)


def _sleep(settled: Settled, duration: timedelta, *, held: bool, until_rest: bool = False) -> Settled:
    """Advance the time, with a pass of the controller whenever one is due."""
    world, writes = settled.world, settled.writes
    end = world.now + duration
    while world.now < end and (settled.loops or not until_rest):
        due = next_wakeup(world)
        settled = settle(replace(world, now=end if due is None else min(due, end)), hold=held)
        world, writes = settled.world, writes + settled.writes
    return replace(settled, writes=writes)
