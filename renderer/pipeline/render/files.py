"""From objects to files: one file an object, with a name that tells what it is, and a kustomization that lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.load.status_file import State, dump_state
from renderer.pipeline.render.templates import check_user_templates, fill, is_overridden
from renderer.pipeline.resolve.commit_content import autoscaled_replicas, next_state
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.resolve import all_objects
from renderer.rollouts.model.world import World

LAYOUTS: Mapping[tuple[str, str], str] = {
    ("apps", "ReplicaSet"): "replicaset.yaml.j2",
    ("", "Service"): "service.yaml.j2",
    ("networking.k8s.io", "Ingress"): "ingress.yaml.j2",
}
"""The template of an object with a ``spec`` by API group and kind; ``OTHER`` lays out the rest."""

OTHER = "object.yaml.j2"

_MAX_STEM = 200
"""Bytes of a file name before its suffix: file systems take 255, and kustomize and git add some of their own."""


class RenderContext(Struct, frozen=True):
    """What a template is told besides the object.

    ``source`` is the app's folder as the header comment names it (relative to the repository's root), ``values`` are
    the environment's values of ``rollstep.yaml``.
    """

    app: str
    environment: str
    source: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def render(
    objects: Sequence[Body],
    *,
    user_templates: Path | None,
    context: RenderContext,
    as_written: Mapping[ObjectKey, str] | None = None,
) -> dict[str, str]:
    """Return the files of ``objects`` by name, sorted, the kustomization among them.

    The same objects in any order give the same files.  ``as_written`` has the text of those that no template may touch.
    Raises RollstepError where two objects are the same one, where
    there is none, and with file and line where a user's template fails or makes another object of the one it got.
    """
    check_user_templates(user_templates)
    if not objects:
        hint = "a Rollout's ReplicaSet at least was expected"
        raise RollstepError([Finding(context.source, 0, 0, "", "there is nothing to render", hint)])
    manifests = {}
    for body in objects:
        manifest = Manifest(body)
        key = manifest.key
        if key in manifests:
            message = f"{describe(key)} is there twice"
            raise RollstepError([Finding(context.source, 0, 0, "", message, "keep one of them")])
        manifests[key] = manifest
    names = file_names(manifests)
    files = {
        names[key]: (as_written or {}).get(key) or _lay_out(key, manifest, user_templates, context)
        for key, manifest in manifests.items()
    }
    variables = {"files": sorted(files), "context": context}
    files[KUSTOMIZATION] = _ended(fill(f"{KUSTOMIZATION}.j2", user_templates, variables))
    if is_overridden(f"{KUSTOMIZATION}.j2", user_templates):
        _check_kustomization(files, user_templates)
    return dict(sorted(files.items()))


def file_names(keys: Sequence[ObjectKey] | Mapping[ObjectKey, Any]) -> dict[ObjectKey, str]:
    """Return the file name of each object: ``service-web.yaml``, as long as nothing else would have that name.

    Where two kinds of different API groups, or two namespaces, would share a name, all of them get the group or the
    namespace in theirs.  Names are lower case and have no separators, so that they differ on every file system.
    """
    levels: tuple[Callable[[ObjectKey], str], ...] = (
        lambda key: _stem(key.kind, key.name),
        lambda key: _stem(key.kind, key.group, key.name),
        lambda key: _stem(key.kind, key.namespace, key.name),
        lambda key: _stem(key.kind, key.group, key.namespace, key.name),
    )
    names: dict[ObjectKey, str] = {}
    left = sorted(keys)
    for level in levels:
        if not left:
            return names
        stems = {key: level(key) for key in left}
        taken = Counter([*names.values(), *(f"{stem}.yaml" for stem in stems.values())])
        names |= {key: f"{stem}.yaml" for key, stem in stems.items() if taken[f"{stem}.yaml"] == 1}
        left = [key for key in left if key not in names]
    for key in left:
        names[key] = f"{levels[-1](key)}-{_short_hash(key)}.yaml"
    return names


def describe(key: ObjectKey) -> str:
    """Return an object's name for people: ``Service web in prod``."""
    return f"{key.kind} {key.name}" + (f" in {key.namespace}" if key.namespace else "")


def _lay_out(key: ObjectKey, manifest: Manifest, user_templates: Path | None, context: RenderContext) -> str:
    known = isinstance(manifest.body.get("spec"), dict)
    name = LAYOUTS.get((key.group, key.kind), OTHER) if known else OTHER
    text = _ended(fill(name, user_templates, {"object": manifest.body, "context": context}))
    # Rollstep's own templates are held to the object by tests; a user's may add to it, but not make it another.
    if is_overridden(name, user_templates):
        _check_identity(manifest, text, f"{user_templates}/{name}")
    return text


def _ended(text: str) -> str:
    # What ends the text is left: the newlines of a last block scalar (`|+`) are part of its value.
    text = text.lstrip("\n")
    return text if text.endswith("\n") else text + "\n"


def _check_identity(manifest: Manifest, text: str, template: str) -> None:
    from renderer.kubernetes.yaml.reader import load_documents

    try:
        found = load_documents(text, template)
    except RollstepError as error:
        message = f"made something of {describe(manifest.key)} that is no YAML: {error.findings[0].message}"
        raise RollstepError([Finding(template, 0, 0, "", message)]) from error
    if len(found) != 1:
        message = f"made {len(found)} documents of {describe(manifest.key)}, and one was expected"
        raise RollstepError([Finding(template, 0, 0, "", message)])
    made = Manifest(found[0].value if isinstance(found[0].value, dict) else {})
    if (made.api_version, made.key) != (manifest.api_version, manifest.key):
        message = f"made {made.api_version} {describe(made.key)} of {manifest.api_version} {describe(manifest.key)}"
        hint = "a template may add to an object, but apiVersion, kind, name and namespace stay"
        raise RollstepError([Finding(template, 0, 0, "", message, hint)])


def _check_kustomization(files: Mapping[str, str], user_templates: Path | None) -> None:
    from renderer.kubernetes.yaml.reader import load_documents

    template = f"{user_templates}/{KUSTOMIZATION}.j2"
    documents = load_documents(files[KUSTOMIZATION], template)
    value = documents[0].value if len(documents) == 1 else None
    listed = value.get("resources") if isinstance(value, dict) else None
    missing = sorted(files.keys() - set(listed if isinstance(listed, list) else []) - {KUSTOMIZATION})
    if missing:
        message = f"the kustomization leaves out {', '.join(missing)}"
        raise RollstepError([Finding(template, 0, 0, "resources", message, "list every one of `files`")])


def _stem(*parts: str) -> str:
    """Return ``parts`` as one file name; what had to be changed in them is told apart by a hash."""
    text = "-".join(part for part in parts if part).lower()
    safe = re.sub(r"[^a-z0-9.-]", "-", text).lstrip("-.") or "object"
    lossy = safe != text or parts[-1] != parts[-1].lower() or len(safe) > _MAX_STEM
    return f"{safe[:_MAX_STEM]}-{_short_hash(parts)}" if lossy else safe


def _short_hash(parts: Sequence[str]) -> str:
    from hashlib import sha256

    return sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:8]


class Rendered(Struct, frozen=True):
    """A release rendered again: its objects, the files of its output folder, and the text of its status."""

    objects: Sequence[Body]
    files: Mapping[str, str]
    state: State
    status_text: str


def render_release(release: Release, world: World, *, keep_time: bool = False) -> Rendered:
    """Render ``world``, which ``release`` has moved to; ``keep_time`` where nothing about the release has moved."""
    objects = all_objects(release.resolved, world)
    ref, settings = release.app.ref, release.app.settings
    context = RenderContext(ref.name, ref.environment, release.place, settings.values)
    as_written = {manifest.key: manifest.text for manifest in release.resolved.pass_through if manifest.text}
    files = render(objects, user_templates=settings.templates, context=context, as_written=as_written)
    if keep_time and release.state is not None:
        state = replace(release.state, replicas=autoscaled_replicas(world))
    else:
        state = next_state(release.state, world)
    return Rendered(objects, files, state, dump_state(state))
