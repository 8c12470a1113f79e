"""Run a scenario: a user's actions on a Rollout in a simulated cluster, a frame after each of them.

A scenario is a YAML file whose first document is ``kind: Scenario`` with ``actions``; the others are the manifests that
are applied first.  The frames have the format of the recordings of the real controller that the tests compare with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, field_path
from renderer.kubernetes.pod_defaults import default_pod_template
from renderer.rollouts import actions
from renderer.rollouts.controller import Settled, next_wakeup, settle
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.model.world import World, Write
from renderer.rollouts.simulator.api_server import count_generations, default_object, world_of

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When a simulation begins; no result depends on it."""

QUIET = timedelta(seconds=2)
"""What passes after every action, so that no two ReplicaSets are made in the same second."""

EXPONENT = re.compile(r"[-+]?[0-9]+[eE][0-9]+")

PATIENCE = timedelta(seconds=60)
"""How long a frame waits for a controller that goes on writing, as it does after an abort with a router."""


class Scenario(Struct, frozen=True):
    """A scenario's name, its actions as written, and the manifests that are applied first."""

    name: str
    actions: tuple[Any, ...]
    manifests: tuple[Manifest, ...]


class Frame(Struct, frozen=True):
    """The world after an action, once nothing moves any more, and the writes that led there.

    ``rejected`` is the refusal where the action was refused; the world is as it was then.  ``delayed`` tells that the
    controller sleeps at this moment and will go on by itself.
    """

    action: Any
    world: World
    writes: tuple[Write, ...]
    rejected: str = ""
    delayed: bool = False


def read_scenario(text: str, file: str) -> Scenario:
    """Read a scenario; raise ``RollstepError`` with every action that is not known.

    As in the recordings, which PyYAML wrote, a plain ``1e8`` is text: YAML 1.1 has no number without a point there.
    """
    from renderer.kubernetes.yaml.reader import load_documents
    from renderer.kubernetes.yaml.scalars import plain_scalar

    def scalar(plain: str) -> str | int | float | bool | None:
        return plain if EXPONENT.fullmatch(plain) else plain_scalar(plain)

    documents = load_documents(text, file, scalar)
    if not documents or not isinstance(documents[0].value, dict) or documents[0].value.get("kind") != "Scenario":
        raise RollstepError([Finding(file, 1, 0, "kind", "expected a first document of kind Scenario")])
    head, source = documents[0].value, documents[0].source
    listed = head.get("actions") or []
    findings = []
    for index, action in enumerate(listed):
        problem = _problem(action)
        if problem:
            path: tuple[str | int, ...] = ("actions", index)
            line, column = source.position(path)
            findings.append(Finding(file, line, column, field_path(path), problem))
    if findings:
        raise RollstepError(findings)
    manifests = tuple(Manifest(item.value, item.source) for item in documents[1:] if isinstance(item.value, dict))
    return Scenario(str(head.get("name", "")), tuple(listed), manifests)


def _verb(action: Any) -> tuple[str, Any]:
    """Return verb and argument of an action: ``promote``, ``undo``, ``undo: 2``, ``release: true`` …"""
    if isinstance(action, Mapping) and len(action) == 1:
        verb, argument = next(iter(action.items()))
        return str(verb), argument
    return (action, None) if isinstance(action, str) else ("", None)


ARGUMENTS: Mapping[str, tuple[type, ...]] = {
    "setImage": (str,),
    "promote": (),
    "promoteFull": (),
    "skipStep": (),
    "abort": (),
    "retry": (),
    "undo": (int,),
    "restart": (),
    "pause": (),
    "resume": (),
    "scale": (int,),
    "patch": (dict,),
    "patchObject": (dict,),
    "apply": (dict,),
    "hold": (str, bool),
    "release": (bool,),
    "sleep": (int, float),
}
"""Every verb with the types of its argument; a verb without any takes none (or ``true``)."""
NEEDS_ARGUMENT = ("setImage", "scale", "patch", "patchObject", "apply", "sleep")


def _problem(action: Any) -> str:
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
    if verb == "patchObject" and isinstance(argument, Mapping) and not {"kind", "name", "patch"} <= argument.keys():
        return "patchObject needs kind, name and patch"
    return ""


def simulate(
    scenario: Scenario, version: str = DEFAULT_VERSION, between: Callable[[World], World] | None = None
) -> Iterator[Frame]:
    """Yield the frame after ``apply`` and one after every action, ``hold`` excepted.

    ``between`` is what happens to the world from one action to the next, unless availability is held.
    Raises ``RollstepError`` for what the engine does not support.
    """
    world = world_of(scenario.manifests, START, version)
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
            world = count_generations(world, _act(world, verb, argument))
        except RollstepError as refusal:
            rejected = str(refusal)
        settled = settle(world, hold=held, until_delay=verb != "sleep")
        if verb == "sleep":
            settled = _sleep(settled, timedelta(seconds=argument) + QUIET, held=held)
        if settled.restless:
            settled = _sleep(settled, PATIENCE, held=held, until_rest=True)
        world = settled.world
        yield Frame(action, world, settled.writes, rejected, settled.delayed)
        if between is not None and not held:
            world = between(world)
        world = replace(world, now=world.now + QUIET)


def _act(world: World, verb: str, argument: Any) -> World:
    simple = {
        "promote": actions.promote,
        "promoteFull": actions.promote_full,
        "skipStep": actions.skip_step,
        "abort": actions.abort,
        "retry": actions.retry,
        "restart": actions.restart,
        "pause": actions.pause,
        "resume": actions.resume,
    }
    if verb in simple:
        return simple[verb](world)
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
    """Undo as in a cluster: the template that goes back into the Rollout has all defaults of the API server."""
    stored = tuple(replace(rs, template=default_pod_template(rs.template)) for rs in world.replica_sets)
    return replace(actions.undo(replace(world, replica_sets=stored), to_revision), replica_sets=world.replica_sets)


def _sleep(settled: Settled, duration: timedelta, *, held: bool, until_rest: bool = False) -> Settled:
    """Let time pass and the controller act at every moment at which something is due."""
    world, writes = settled.world, settled.writes
    end = world.now + duration
    while world.now < end and (settled.restless or not until_rest):
        due = next_wakeup(world)
        settled = settle(replace(world, now=end if due is None else min(due, end)), hold=held)
        world, writes = settled.world, writes + settled.writes
    return replace(settled, writes=writes)
