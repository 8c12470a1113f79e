"""A verb's change to the Rollout, carried into the user's own file (shell around a pure difference)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, FieldPath, Manifest, field_path
from renderer.kubernetes.versioned_config import (
    CONTENT,
    Reference,
    base_name,
    references,
    versioned_names,
    with_references,
)
from renderer.kubernetes.yaml.document_texts import without_documents
from renderer.kubernetes.yaml.editor import REMOVED, edit
from renderer.kubernetes.yaml.reader import read_text
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.model.world import World


def spec_changes(before: Body, after: Body) -> dict[FieldPath, Any]:
    """Return what differs between two manifests' ``spec``, as field path to new value or ``REMOVED``."""
    changes: dict[FieldPath, Any] = {}
    _collect(before.get("spec"), after.get("spec"), ("spec",), changes)
    return changes


def _collect(before: Any, after: Any, path: FieldPath, changes: dict[FieldPath, Any]) -> None:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key not in after:
                changes[(*path, key)] = REMOVED
            elif key not in before:
                changes[(*path, key)] = after[key]
            else:
                _collect(before[key], after[key], (*path, key), changes)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _collect(old, new, (*path, index), changes)
    else:
        changes[path] = after


def edited_sources(release: Release, move: Move) -> dict[Path, str | None]:
    """Return the files that a verb edits, with their new text: the Rollout's, and those of old configuration.

    Objects that the user has from now on get files of their own; of those that the user has no more, the documents go,
    and a file (None) with its last one.

    Raises RollstepError where one of these objects is not in a file that can be edited: it comes from a command or a
    template; and for a revision from before its configuration was versioned.
    """
    world = move.after
    names = {(kind, name): plain for (kind, plain), name in versioned_names(release.app.manifests).items()}
    old = {(key.kind, key.name): body for key, body in release.resolved.old_config.items()}
    known = {(kind, plain) for (kind, _), plain in names.items()}
    goes_back = {ref: base_name(ref[1]) for ref in old if (ref[0], base_name(ref[1])) in known}
    plain_names = {**names, **goes_back}
    before, after = (_with_plain_names(body, plain_names) for body in (release.world.rollout.body, world.rollout.body))
    changes = spec_changes(before, after)
    named = references(world.rollout.body["spec"].get("template") or {})
    _check_versioned(release, named & known)
    texts: dict[Path, str] = {}
    app = release.app
    if changes:
        _edit(texts, app.rollout, app.places.get(app.rollout.key), changes)
    for reference in sorted(named & goes_back.keys()):
        kind, name = reference[0], goes_back[reference]
        source = next(item for item in app.manifests if item.while_named and (item.kind, item.name) == (kind, name))
        fields: dict[FieldPath, Any] = {}
        _collect(_content(source.body), _content(old[reference]), (), fields)
        _edit(texts, source, app.places.get(source.key), fields)
    return {**texts, **_without_removed(release, world, texts), **_with_added(release, move)}


def _without_removed(release: Release, world: World, texts: Mapping[Path, str]) -> dict[Path, str | None]:
    """Return the files of the objects that the user has no more, without these.

    Raises RollstepError where one is made from something else than a file.
    """
    gone = [item for item in release.app.manifests if _is_removed(item, release, world)]
    found: dict[Path, set[int]] = {}
    for item in gone:
        place = release.app.places.get(item.key)
        if place is None:
            message = f"the {item.kind} {item.name} must be removed, but it comes from a command or a template"
            raise RollstepError([Finding(item.source.file, 0, 0, "", message, "remove it there, and commit that")])
        found.setdefault(place[0], set()).add(place[1])
    return {
        path: without_documents(texts.get(path) or read_text(path, str(path), keep_mark=True), indexes)
        for path, indexes in found.items()
    }


def _is_removed(item: Manifest, release: Release, world: World) -> bool:
    key = item.key if item.key.namespace else item.key._replace(namespace=world.rollout.namespace)
    return key in release.world.objects and key not in world.objects


def _with_added(release: Release, move: Move) -> dict[Path, str | None]:
    """Return a file for each object that the user has from now on."""
    files: dict[Path, str | None] = {}
    for key, body in sorted(move.added.items()):
        metadata = dict(body["metadata"])
        if metadata.get("namespace") == release.app.settings.namespace:
            del metadata["namespace"]
        name = f"{key.kind.lower()}-{key.name}.yaml"
        if (release.folder / name).exists():
            hint = "give it another name"
            raise RollstepError([Finding(f"{release.place}/{name}", 0, 0, "", "exists already", hint)])
        files[release.folder / name] = dump({**body, "metadata": metadata})
    return files


def _with_plain_names(body: Body, names: Mapping[Reference, str]) -> Body:
    spec = body["spec"]
    return (
        {**body, "spec": {**spec, "template": with_references(spec["template"], names)}} if "template" in spec else body
    )


def _content(body: Body) -> Body:
    return {key: body[key] for key in CONTENT if key in body}


def _check_versioned(release: Release, plain: frozenset[Reference]) -> None:
    """Refuse a pod template that names what is versioned by its own name: reading it again would give another one."""
    if plain:
        shown = ", ".join(f"{kind} {name}" for kind, name in sorted(plain))
        message = f"this revision is from before versionedConfig: its pods refer to {shown} as it is now"
        hint = "put its template back into the Rollout by hand, or take versionedConfig out of rollstep.yaml"
        raise RollstepError([Finding(release.app.rollout.source.file, 0, 0, "spec.template", message, hint)])


def _edit(
    texts: dict[Path, str], manifest: Manifest, place: tuple[Path, int] | None, changes: Mapping[FieldPath, Any]
) -> None:
    """Put the text of the object's file with ``changes`` into ``texts``."""
    shown = manifest.source.file
    if place is None:
        fields = ", ".join(field_path(path) for path in changes)
        message = f"{fields} would change, but the {manifest.kind} comes from a command or a template"
        hint = "make the change there, commit it, and run `rollstep advance`"
        raise RollstepError([Finding(shown, 0, 0, "", message, hint)])
    path, index = place
    text = texts.get(path) or read_text(path, shown, keep_mark=True)
    texts[path] = edit(text, index, changes, shown)
