"""Edits the user's own files as a verb changes the Rollout and its configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, FieldPath, Manifest, field_path
from renderer.kubernetes.pod_defaults import default_pod_template
from renderer.kubernetes.versioned_config import (
    CONTENT,
    Reference,
    base_name,
    references,
    versioned_names,
    with_references,
)
from renderer.kubernetes.yaml.document_texts import without_documents
from renderer.kubernetes.yaml.editor import REMOVED, Items, edit
from renderer.kubernetes.yaml.reader import load_documents, read_text
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.load.app import App
from renderer.pipeline.load.sources import FILLED_IN
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.controller.workload import resolve_workload, template_path, workload_key
from renderer.rollouts.model.world import World

_ROUNDS = 3
"""The edits after which a workload's template has to be the wanted one: fields, their defaults, and one to spare."""


def spec_changes(before: Body, after: Body) -> dict[FieldPath, Any]:
    """Return what differs between two manifests' ``spec``, as field path to new value, ``REMOVED`` or ``Items``."""
    changes: dict[FieldPath, Any] = {}
    _collect(before.get("spec"), after.get("spec"), ("spec",), changes)
    return changes


class Texts:
    """The texts of the user's files: as they were ``read``, and as a verb edits them."""

    def __init__(self, read: dict[Path, str] | None = None) -> None:
        self.read = {} if read is None else read
        self.new: dict[Path, str] = {}

    def current(self, path: Path, file: str) -> str:
        """Return a file's text, edited so far; ``file`` names it in findings."""
        if path not in self.new and path not in self.read:
            self.read[path] = read_text(path, file, keep_mark=True)
        return self.new.get(path) or self.read[path]


def edited_sources(release: Release, move: Move, read: dict[Path, str] | None = None) -> dict[Path, str | None]:
    """Return the files of the user that a move changes with their new text, None for a deleted file.

    ``read`` gets the text that each of them had.

    Edits the Rollout, its workload and the configuration of an old revision, writes a file for each added object, and
    deletes the documents of removed objects.

    Raises RollstepError for an object that comes from a command or a template, and for a revision that is older than
    its ``versionedConfig``.
    """
    app, world = release.app, move.after
    names = {(kind, name): plain for (kind, plain), name in versioned_names(app.manifests).items()}
    old = {(key.kind, key.name): body for key, body in release.resolved.old_config.items()}
    known = {(kind, plain) for (kind, _), plain in names.items()}
    restored = {ref: base_name(ref[1]) for ref in old if (ref[0], base_name(ref[1])) in known}
    plain_names = {**names, **restored}
    bodies = (move.before.rollout.body, world.rollout.body)
    before, after = (_with_plain_names(body, plain_names) for body in bodies)
    template, old_template = (resolve_workload(one).rollout.template for one in (world, move.before))
    # Only another pod template brings old configuration back.
    used = references(template) if template != old_template else frozenset()
    _check_versioned(release, used & known)
    texts = Texts() if read is None else Texts(read)
    if changes := spec_changes(before, after):
        _edit(texts, app, app.rollout, changes)
    if world.rollout.workload_ref is not None and template != old_template:
        _edit_workload(texts, app, move, plain_names)
    for reference in sorted(used & restored.keys()):
        kind, name = reference[0], restored[reference]
        source = next(item for item in app.manifests if item.while_named and (item.kind, item.name) == (kind, name))
        fields: dict[FieldPath, Any] = {}
        _collect(_content(source.body), _content(old[reference]), (), fields)
        _edit(texts, app, source, fields)
    return {**texts.new, **_without_removed(release, world, texts), **_with_added(release, move)}


def _edit_workload(texts: Texts, app: App, move: Move, names: Mapping[Reference, str]) -> None:
    """Give the workload of ``workloadRef`` the pod template of the world after the move.

    That template has every default of the API server, and the file gets only those that differ from its own: another
    image may have another default.
    """
    old, new = (with_references(resolve_workload(one).rollout.template, names) for one in (move.before, move.after))
    key = workload_key(move.after.rollout)
    assert key is not None
    path = template_path(key)
    manifest = next(item for item in app.manifests if key in (item.key, item.key._replace(namespace=key.namespace)))
    for _ in range(_ROUNDS):
        changes: dict[FieldPath, Any] = {}
        _collect(old, new, path, changes)
        if not changes:
            return
        _edit(texts, app, manifest, changes)
        file, index = app.places[manifest.key]
        written = load_documents(texts.new[file], manifest.source.file)[index].value
        old = default_pod_template(reduce(getitem, path, written))


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
    elif isinstance(before, list) and isinstance(after, list):
        _collect_items(before, after, path, changes)
    else:
        changes[path] = after


def _collect_items(before: list[Any], after: list[Any], path: FieldPath, changes: dict[FieldPath, Any]) -> None:
    """Compare the items of two lists by their names, such as those of containers; else by their places."""
    old, new = _names(before), _names(after)
    kept = tuple(old.index(name) if name in old else None for name in new) if old and new else ()
    stay = [index for index in kept if index is not None]
    if old != new and stay and stay == sorted(stay):
        added = tuple(item for item, index in zip(after, kept, strict=True) if index is None)
        changes[path] = Items(kept, added)
    elif old != new or len(before) != len(after):
        changes[path] = after
        return
    pairs = zip(kept or range(len(after)), after, strict=True)
    for index, (place, item) in enumerate(pairs):
        if place is not None:
            _collect(before[place], item, (*path, index), changes)


def _names(items: list[Any]) -> list[str]:
    """Return the names of a list's items; none where one has no name or two have the same."""
    names = [item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)]
    return names if len(set(names)) == len(items) else []


def _without_removed(release: Release, world: World, texts: Texts) -> dict[Path, str | None]:
    """Return the files of the objects that ``world`` no longer has, without their documents."""
    removed: dict[Path, set[int]] = {}
    for item in release.app.manifests:
        key = item.key if item.key.namespace else item.key._replace(namespace=world.rollout.namespace)
        if key not in release.world.objects or key in world.objects:
            continue
        place = release.app.places.get(item.key)
        if place is None:
            message = f"the {item.kind} {item.name} must be removed, but it comes from a command or a template"
            raise RollstepError.at(item.source.file, message, "remove it there, and commit that")
        removed.setdefault(place[0], set()).add(place[1])
    return {path: without_documents(texts.current(path, str(path)), indexes) for path, indexes in removed.items()}


def _with_added(release: Release, move: Move) -> dict[Path, str | None]:
    files: dict[Path, str | None] = {}
    for key, body in sorted(move.added.items()):
        metadata = dict(body["metadata"])
        if metadata.get("namespace") == release.app.settings.namespace:
            del metadata["namespace"]
        name = f"{key.kind.lower()}-{key.name}.yaml"
        if (release.folder / name).exists():
            raise RollstepError.at(f"{release.place}/{name}", "exists already", "give it another name")
        files[release.folder / name] = dump({**body, "metadata": metadata})
    return files


def _with_plain_names(body: Body, names: Mapping[Reference, str]) -> Body:
    spec = body["spec"]
    if "template" not in spec:
        return body
    return {**body, "spec": {**spec, "template": with_references(spec["template"], names)}}


def _content(body: Body) -> Body:
    return {key: body[key] for key in CONTENT if key in body}


def _check_versioned(release: Release, plain: frozenset[Reference]) -> None:
    """Refuse a pod template with the unversioned names ``plain``: loading it again would give another template."""
    if plain:
        shown = ", ".join(f"{kind} {name}" for kind, name in sorted(plain))
        message = f"this revision is from before versionedConfig: its pods refer to {shown} as it is now"
        hint = "put its template back into the Rollout by hand, or take versionedConfig out of rollstep.yaml"
        raise RollstepError([Finding(release.app.rollout.source.file, 0, 0, "spec.template", message, hint)])


def _edit(texts: Texts, app: App, manifest: Manifest, changes: Mapping[FieldPath, Any]) -> None:
    """Apply ``changes`` to the text of the object's file."""
    file, place = manifest.source.file, app.places.get(manifest.key)
    if place is None:
        fields = ", ".join(map(_change_text, changes.items()))
        message = f"{fields} would change, but the {manifest.kind} comes from a command or a template"
        raise RollstepError.at(file, message, _how_to_change(app, file))
    path, index = place
    texts.new[path] = edit(texts.current(path, file), index, changes, file)


def _change_text(change: tuple[FieldPath, Any]) -> str:
    """Return a field that changes, with its new value if that is short and no content of a Secret."""
    path, value = change
    is_shown = path[0] == "spec" and isinstance(value, str | int)
    return f"{field_path(path)} ({value})" if is_shown else field_path(path)


def _how_to_change(app: App, file: str) -> str:
    """Return how to change an object that a command or a template makes: in what that reads."""
    settings = app.settings
    reads = settings.source.reads if settings.source.argv is not None else (file.removesuffix(FILLED_IN),)
    log = shlex.join(["git", "log", "--patch", "--", *(path for path in reads if path != ".")])
    advance = f"`rollstep advance {settings.environment}/{settings.app}`"
    return f"change what it reads (`{log.removesuffix(' --')}` has the earlier versions), commit that, then {advance}"
