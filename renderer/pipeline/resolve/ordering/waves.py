"""The phases of a step in one commit, as sync waves of Argo CD, which waits for health between two waves.

A sync applies the objects of a wave in any order, and the next wave once they are healthy; a sync that was interrupted
starts with the first wave again.  One commit may therefore hold an ``expand``, a ``shift`` and a ``contract``, in this
order, if no object is in two of them: the cluster passes through the same states as with a commit for each.  Removed
objects are no part of a wave.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey, mapping
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.phases import phases_of
from renderer.rollouts.model.world import CONTRACT, EXPAND, PHASES, World


def waves_of(before: World, after: World, kept: Mapping[ObjectKey, str]) -> dict[ObjectKey, str]:
    """Return the waves of ``after``, each by its phase: of the objects that differ from ``before``, else ``kept``.

    Objects of the first phase (``expand``) have no wave.  A ReplicaSet that grows keeps the wave of a ``contract``: it
    may still have more pods than it grows to.
    """
    changed = {
        key: phase
        for key, phase in phases_of(before, after).items()
        if phase and not (phase == EXPAND and kept.get(key) == CONTRACT)
    }
    keys = rendered(after)
    return {key: phase for key, phase in {**kept, **changed}.items() if phase != EXPAND and key in keys}


def joined(base: World, world: World, following: World) -> World | None:
    """Return ``following`` with its waves; None if its phase requires a commit of its own.

    The commit begins at ``base`` and leads to ``world`` so far; ``following`` is one phase later.
    """
    done, more = phases_of(base, world), phases_of(world, following)
    first = {PHASES.index(world.waves.get(key, EXPAND)) for key, phase in done.items() if phase}
    then = {PHASES.index(phase) for phase in more.values() if phase}
    is_next = bool(then) and (not first or max(first) < min(then))
    is_twice = any(done.get(key) and phase for key, phase in more.items())
    contracts = CONTRACT in world.waves.values()
    if not is_next or is_twice or contracts or _removes(base, world) or _removes(world, following):
        return None
    return replace(following, waves=waves_of(world, following, world.waves))


def with_wave(body: Body, phase: str) -> Body:
    """Return an object with the annotation for the wave of ``phase``."""
    metadata = body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), SYNC_WAVE: str(PHASES.index(phase))}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def without_wave(body: Body) -> Body:
    """Return an object without the annotation of a wave."""
    metadata = body["metadata"]
    annotations = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != SYNC_WAVE}
    bare = {name: value for name, value in metadata.items() if name != "annotations"}
    return {**body, "metadata": {**bare, "annotations": annotations} if annotations else bare}


def has_wave(body: Body) -> bool:
    """Return whether an object has the annotation of a wave."""
    return SYNC_WAVE in mapping(body, "metadata", "annotations")


def _removes(before: World, after: World) -> bool:
    """Return whether an object is removed that pods or requests depend on."""
    left = rendered(after)
    removed = [body for key, body in rendered(before).items() if key not in left]
    return any(body["kind"] != "ReplicaSet" or body["spec"].get("replicas") for body in removed)
