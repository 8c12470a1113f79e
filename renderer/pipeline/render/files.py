"""Renders objects to files: one for each object, named after it, and a kustomization that lists them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, mapping
from renderer.kubernetes.selectors import selects
from renderer.pipeline.load.analysis_runs import dump_runs
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.load.status_file import State, dump_state
from renderer.pipeline.render.templates import Layouts, UserTemplates, as_layouts, check_user_templates, render_template
from renderer.pipeline.resolve.analyses import runs_after
from renderer.pipeline.resolve.commit_content import autoscaled_replicas, next_state
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.resolve import all_objects
from renderer.rollouts.model.world import World

_TEMPLATES: Mapping[tuple[str, str], str] = {
    ("apps", "ReplicaSet"): "replicaset.yaml.j2",
    ("", "Service"): "service.yaml.j2",
    ("networking.k8s.io", "Ingress"): "ingress.yaml.j2",
}
"""The template of an object with a ``spec``, by API group and kind."""
_OTHER = "object.yaml.j2"
"""The template of any other object."""
_MAX_STEM = 200
"""Bytes of a file name before its suffix: file systems allow 255, and kustomize and git add some of their own."""


class RenderContext(Struct, frozen=True):
    """The variables of a template besides the object.

    ``source`` is the app's folder relative to the repository's root: only user templates write it, since an app that
    moves needs no new render.  ``values`` are the environment's values in ``rollstep.yaml``.
    """

    app: str
    environment: str
    source: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


class Rendered(Struct, frozen=True):
    """A rendered release: its objects, the files of its output folder by name, and its status.

    ``runs_text`` is the text of its AnalysisRuns, None without one.
    """

    objects: Sequence[Body]
    files: Mapping[str, str]
    state: State
    status_text: str
    runs_text: str | None = None


def render_release(release: Release, world: World, *, keep_time: bool = False) -> Rendered:
    """Render the ``world`` that ``release`` moves to.

    ``keep_time`` keeps the times in the status, for a release that does not move.
    """
    objects = all_objects(release.resolved, world)
    files = render_objects(release, objects)
    if keep_time and release.state is not None:
        state = replace(release.state, replicas=autoscaled_replicas(world))
    else:
        state = next_state(release.state, world)
    runs = runs_after(release.world, world)
    return Rendered(objects, files, state, dump_state(state), dump_runs(runs))


def _selects_its_pods(body: Body) -> bool:
    """Return whether a workload's selector, if it has one, matches its pod template."""
    selector, labels = mapping(body, "spec", "selector"), mapping(body, "spec", "template", "metadata", "labels")
    return not selector or "template" not in body["spec"] or selects(selector, labels)


def render_objects(release: Release, objects: Sequence[Body]) -> dict[str, str]:
    """Return the files of some objects of a release as ``render`` does, with its settings."""
    ref, settings = release.app.ref, release.app.settings
    context = RenderContext(ref.name, ref.environment, release.place, settings.values)
    kept = (*release.resolved.pass_through, *release.resolved.left_out.values())
    as_written = {manifest.key: manifest.text for manifest in kept if manifest.text}
    layouts = None if settings.templates is None else Layouts(settings.templates, release.app.origin)
    return render(objects, user_templates=layouts, context=context, as_written=as_written)


def render(
    objects: Sequence[Body],
    *,
    user_templates: UserTemplates,
    context: RenderContext,
    as_written: Mapping[ObjectKey, str] | None = None,
) -> dict[str, str]:
    """Return the files of ``objects`` by name, sorted, with the kustomization.

    The order of the objects does not matter.  ``as_written`` has the text of those that no template may change.
    Raises RollstepError for duplicate objects, without any object, for a workload that does not select its pods, and
    with file and line for a user's template that fails or renders another object than its own.
    """
    layouts = as_layouts(user_templates)
    check_user_templates(layouts)
    if not objects:
        raise RollstepError.at(context.source, "there is nothing to render", "expected at least a ReplicaSet")
    manifests = {}
    for body in objects:
        manifest = Manifest(body)
        key = manifest.key
        if key in manifests:
            raise RollstepError.at(context.source, f"{describe(key)} is there twice", "keep one of them")
        if key.group == "apps" and not _selects_its_pods(body):
            message = f"the selector of {describe(key)} does not match the labels of its own pods"
            raise RollstepError.at(context.source, message, "the API server refuses it: leave the selector's labels")
        manifests[key] = manifest
    names = file_names(manifests)
    files = {
        names[key]: (as_written or {}).get(key) or _render_object(key, manifest, layouts, context)
        for key, manifest in manifests.items()
    }
    variables = {"files": sorted(files), "context": context}
    files[KUSTOMIZATION] = _trim(render_template(f"{KUSTOMIZATION}.j2", layouts, variables))
    if layouts is not None and layouts.has(f"{KUSTOMIZATION}.j2"):
        _check_kustomization(files, layouts)
    return dict(sorted(files.items()))


def file_names(keys: Sequence[ObjectKey] | Mapping[ObjectKey, Any]) -> dict[ObjectKey, str]:
    """Return the file name of each object: ``service-web.yaml`` if no other object has the same name.

    Objects that differ in API group or namespace alone get the group or the namespace in their names.  Names are lower
    case and have no separators, so they differ on every file system.
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
    """Return an object's name for messages: ``Service web in prod``."""
    return f"{key.kind} {key.name}" + (f" in {key.namespace}" if key.namespace else "")


def _render_object(key: ObjectKey, manifest: Manifest, layouts: Layouts | None, context: RenderContext) -> str:
    has_spec = isinstance(manifest.body.get("spec"), dict)
    name = _TEMPLATES.get((key.group, key.kind), _OTHER) if has_spec else _OTHER
    text = _trim(render_template(name, layouts, {"object": manifest.body, "context": context}))
    # Tests check our own templates.
    if layouts is not None and layouts.has(name):
        _check_identity(manifest, text, f"{layouts.folder}/{name}")
    return text


def _trim(text: str) -> str:
    # Newlines at the end stay: they may be part of a last block scalar (`|+`).
    text = text.lstrip("\n")
    return text if text.endswith("\n") else text + "\n"


def _check_identity(manifest: Manifest, text: str, template: str) -> None:
    from renderer.kubernetes.yaml.reader import load_documents

    name = describe(manifest.key)
    try:
        documents = load_documents(text, template)
    except RollstepError as error:
        raise RollstepError.at(template, f"renders {name} as invalid YAML: {error.findings[0].message}") from error
    if len(documents) != 1:
        raise RollstepError.at(template, f"renders {name} as {len(documents)} documents, expected one")
    value = documents[0].value
    rendered = Manifest(value if isinstance(value, dict) else {})
    if (rendered.api_version, rendered.key) != (manifest.api_version, manifest.key):
        message = f"renders {manifest.api_version} {name} as {rendered.api_version} {describe(rendered.key)}"
        hint = "a template may add to an object, but apiVersion, kind, name and namespace stay"
        raise RollstepError.at(template, message, hint)


def _check_kustomization(files: Mapping[str, str], layouts: Layouts) -> None:
    from renderer.kubernetes.yaml.reader import load_documents

    template = f"{layouts.folder}/{KUSTOMIZATION}.j2"
    documents = load_documents(files[KUSTOMIZATION], template)
    value = documents[0].value if len(documents) == 1 else None
    listed = value.get("resources") if isinstance(value, dict) else None
    missing = sorted(files.keys() - set(listed if isinstance(listed, list) else []) - {KUSTOMIZATION})
    if missing:
        message = f"the kustomization leaves out {', '.join(missing)}"
        raise RollstepError([Finding(template, 0, 0, "resources", message, "list every one of `files`")])


def _stem(*parts: str) -> str:
    """Return ``parts`` as one file name, with a hash if the name is not exactly the parts."""
    text = "-".join(part for part in parts if part).lower()
    safe = re.sub(r"[^a-z0-9.-]", "-", text).lstrip("-.") or "object"
    lossy = safe != text or parts[-1] != parts[-1].lower() or len(safe) > _MAX_STEM
    return f"{safe[:_MAX_STEM]}-{_short_hash(parts)}" if lossy else safe


def _short_hash(parts: Sequence[str]) -> str:
    from hashlib import sha256

    return sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:8]
