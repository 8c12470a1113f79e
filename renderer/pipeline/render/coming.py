"""The commits to come of a release, rendered before it begins, so that a step that cannot be done is refused then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.render.files import render_objects
from renderer.pipeline.resolve.course import course
from renderer.pipeline.resolve.describe import move_text
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.resolve import all_objects
from renderer.rollouts.model.world import World

MOST_COMMITS = 200
"""The commits that are looked at: a release without a router may have one for each pod."""


def coming_files(release: Release, world: World, objects: Iterable[Body] = ()) -> dict[str, str]:
    """Return the text of each object that a commit after ``world`` makes or changes, by file name and step.

    ``objects`` are those that the commit of ``world`` has.  A ReplicaSet whose pods are the same is left out.  Raises
    RollstepError with the step if the engine cannot do it.
    """
    last = {Manifest(body).key: _content(body) for body in objects}
    texts: dict[str, str] = {}
    for move, _ in islice(course(world), MOST_COMMITS):
        changed = _changed(all_objects(release.resolved, move.after), last)
        if changed:
            files = render_objects(release, changed)
            texts |= {f"{name} ({move_text(move)})": text for name, text in files.items() if name != KUSTOMIZATION}
    return texts


def _changed(objects: Iterable[Body], last: dict[ObjectKey, Body]) -> list[Body]:
    """Return the objects that differ from ``last``, and put them there."""
    changed = []
    for body in objects:
        key, content = Manifest(body).key, _content(body)
        if last.get(key) != content:
            last[key] = content
            changed.append(body)
    return changed


def _content(body: Body) -> Body:
    """Return the part of an object that has to be valid anew when it changes."""
    spec = body.get("spec")
    if body.get("kind") != "ReplicaSet" or not isinstance(spec, dict):
        return body
    pods: Mapping[str, object] = {field: spec.get(field) for field in ("selector", "template")}
    return {"metadata": {"labels": (body.get("metadata") or {}).get("labels")}, "spec": pods}
