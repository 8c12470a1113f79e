"""A step in one commit (pure): its phases as the sync waves of Argo CD, which waits for health between them.

A sync applies the objects of a wave in any order, and those of the next one when they are healthy; one that was cut
short begins with the first wave again.  So a commit may hold an ``expand``, a ``shift`` and a ``contract``, in this
order, where none of its objects is in two of them: the cluster comes by the same states as if each were a commit of its
own.  Objects that are removed wait for nobody, whatever wave they had.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.phases import phases_of
from renderer.rollouts.model.world import CONTRACT, EXPAND, PHASES, World


def waves_of(before: World, after: World, kept: Mapping[ObjectKey, str]) -> dict[ObjectKey, str]:
    """Return the waves of what differs between two worlds, where that is not the first, and ``kept`` for all else.

    A ReplicaSet that was to shrink may have more pods than the one that grows now: it keeps its wave.
    """
    changed = {
        key: phase
        for key, phase in phases_of(before, after).items()
        if phase and not (phase == EXPAND and kept.get(key) == CONTRACT)
    }
    there = rendered(after)
    return {key: phase for key, phase in {**kept, **changed}.items() if phase != EXPAND and key in there}


def joined(base: World, world: World, following: World) -> World | None:
    """Return ``following`` with its waves, where one commit may hold all that leads to it from ``base``.

    ``world`` is what the commit leads to so far, with its waves, and ``following`` one phase later.  None where that
    phase has to wait for a commit of its own.
    """
    done, more = phases_of(base, world), phases_of(world, following)
    first = {PHASES.index(world.waves.get(key, EXPAND)) for key, phase in done.items() if phase}
    then = {PHASES.index(phase) for phase in more.values() if phase}
    is_next = bool(then) and (not first or max(first) < min(then))
    is_twice = any(done.get(key) and phase for key, phase in more.items())
    if (
        not is_next
        or is_twice
        or CONTRACT in world.waves.values()
        or _removes(base, world)
        or _removes(world, following)
    ):
        return None
    return replace(following, waves=waves_of(world, following, world.waves))


def with_wave(body: Body, phase: str) -> Body:
    """Return an object with the annotation that makes it wait for the phases before its own."""
    metadata = body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), SYNC_WAVE: str(PHASES.index(phase))}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def without_wave(body: Body) -> Body:
    """Return an object as the engine knows it."""
    metadata = body["metadata"]
    annotations = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != SYNC_WAVE}
    bare = {name: value for name, value in metadata.items() if name != "annotations"}
    return {**body, "metadata": {**bare, "annotations": annotations} if annotations else bare}


def has_wave(body: Mapping[str, object]) -> bool:
    """Tell whether an object has a wave already."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and SYNC_WAVE in annotations


def _removes(before: World, after: World) -> bool:
    """Tell whether something is removed that pods or requests depend on."""
    there = rendered(after)
    gone = [body for key, body in rendered(before).items() if key not in there]
    return any(body["kind"] != "ReplicaSet" or body["spec"].get("replicas") for body in gone)
