"""Loads an app from the repository, from files or from standard input, and checks it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_all
from renderer.kubernetes.kinds import in_namespace, is_hook, is_rollout
from renderer.kubernetes.manifest import Manifest, ObjectKey, finding, place
from renderer.kubernetes.read_objects import STDIN, LoadedObject, SourceText, duplicates, read_objects
from renderer.kubernetes.sync_tools.tools import unsafe_order
from renderer.kubernetes.versioned_config import is_config, with_versioned_config
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Files
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings, Settings
from renderer.pipeline.load.sources import read_sources
from renderer.rollouts.checks import check_and_read
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.versions import DEFAULT_VERSION

_MAX_PLACES = 3
"""The number of other Rollouts that a finding names: one stream may have thousands."""


class App(Struct, frozen=True):
    """The content of an app's sources.

    ``rollout`` is the Rollout as written, with the configured namespace.  ``manifests`` are all other objects in the
    order of the sources.  ``files`` are all files that were read.  ``places`` has the file and the index of the
    document of each object that can be edited there, so none from a template, a command, a stream or a List.
    ``checked`` is a manifest and the Rollout that the checks read from it, if its cluster has the default version.
    ``notes`` tell the user what was left out.  ``origin`` are the files of the repository that it was loaded from, None
    for an app that is in no repository.
    """

    ref: AppRef
    settings: AppSettings
    rollout: Manifest
    manifests: tuple[Manifest, ...]
    files: tuple[Path, ...] = ()
    places: Mapping[ObjectKey, tuple[Path, int]] = field(default_factory=dict)
    checked: tuple[Manifest, Rollout] | None = None
    notes: tuple[Finding, ...] = ()
    origin: Files | None = None


def load_app(ref: AppRef, settings: Settings, files: Files) -> App:
    """Return the app of ``ref`` in the repository whose files are ``files``.

    Raises ``RollstepError`` with all findings: invalid YAML, documents that are not Kubernetes objects, no Rollout or
    several, duplicate objects, the findings of ``check``, and an ``order`` that is not safe with the sync tool.
    """
    app_settings = settings.for_app(ref.environment, ref.name)
    unsafe = unsafe_order(settings.body, settings.source, ref.environment, ref.name)
    if unsafe:
        raise RollstepError(unsafe)
    sources = read_sources(ref.folder, app_settings, files)
    app = _load(sources.texts, ref, app_settings, str(ref.folder.relative_to(files.root)), sources.files)
    return replace(app, notes=(*sources.notes, *app.notes), origin=files)


def load_texts(texts: Sequence[SourceText], settings: AppSettings) -> App:
    """Return the app of some streams of manifests; raise ``RollstepError`` as ``load_app`` does."""
    ref = AppRef(settings.environment, settings.app, Path())
    files = tuple(text.path for text in texts if text.path is not None)
    return _load(texts, ref, settings, ", ".join(text.file for text in texts), files)


def load_files(directory: str, names: Sequence[str], settings: AppSettings) -> App:
    """Return the app of some files below ``directory`` (``-`` is standard input).

    Raises ``RollstepError`` as ``load_app`` does.
    """
    return load_texts(map_all(names, lambda name: _read(directory, name)), settings)


def _read(directory: str, name: str) -> SourceText:
    from renderer.kubernetes.yaml.reader import read_stream, read_text

    if name == "-":
        return SourceText(STDIN, None, read_stream(sys.stdin.buffer, STDIN))
    path = Path(directory, name)
    return SourceText(name, path, read_text(path, name))


def _load(texts: Sequence[SourceText], ref: AppRef, settings: AppSettings, label: str, files: tuple[Path, ...]) -> App:
    """Return the app of ``texts``; ``label`` names all of them in findings."""
    loaded, findings = read_objects(texts)
    # An object that could not be read may be one that the others refer to.
    if findings:
        raise RollstepError(findings)
    loaded, notes = without_hooks(loaded, settings)
    loaded = [replace(item, manifest=in_namespace(item.manifest, settings.namespace)) for item in loaded]
    rollouts = [item.manifest for item in loaded if is_rollout(item.manifest)]
    others = tuple(item.manifest for item in loaded if not is_rollout(item.manifest))
    if not rollouts:
        findings.append(_no_rollout(others, label, is_printed=settings.source.argv is not None))
    if len(rollouts) > 1:
        findings += _several_rollouts(rollouts)
    findings += duplicates(others, rollouts[0].namespace if rollouts else "")
    typed = None
    if len(rollouts) == 1:
        wrong, typed = check_and_read(rollouts[0], others, settings.controller_version, settings.allow)
        findings += wrong
    findings += [*_misshapen(others), *_unknown_config(others, settings)]
    if findings:
        raise RollstepError(findings)
    rollout = rollouts[0]
    places = {item.manifest.key: (item.path, item.index) for item in loaded if item.path is not None}
    manifest, others = with_versioned_config(rollout, others, settings.versioned_config)
    # The engine always reads by the CRD of the default version.
    checked = (rollout, typed) if typed is not None and settings.controller_version == DEFAULT_VERSION else None
    ref = ref if ref.name else replace(ref, name=rollout.name)
    return App(ref, settings, manifest, others, files, places, checked, tuple(notes))


def without_hooks(loaded: Sequence[LoadedObject], settings: AppSettings) -> tuple[list[LoadedObject], list[Finding]]:
    """Return the objects without the hooks of Helm that a command has printed, and a note for each of these.

    A hook in a file of the user's stays.
    """
    kept: list[LoadedObject] = []
    notes: list[Finding] = []
    for item in loaded:
        manifest = item.manifest
        is_printed = settings.source.argv is not None or manifest.source.file == STDIN
        if is_printed and is_hook(manifest.body):
            notes.append(finding(manifest, (), f"the {manifest.kind} {manifest.name} is a Helm hook: left out"))
        else:
            kept.append(item)
    return kept, notes


def _misshapen(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Yield a finding for each Service whose selector cannot be read."""
    for manifest in manifests:
        spec = manifest.body.get("spec")
        parts = {("spec",): spec, ("spec", "selector"): spec.get("selector") if isinstance(spec, dict) else None}
        wrong = [path for path, value in parts.items() if value is not None and not isinstance(value, dict)]
        if manifest.kind == "Service" and wrong:
            yield finding(manifest, wrong[0], "expected a mapping", "write the labels of the pods as `key: value`")


def _unknown_config(manifests: Sequence[Manifest], settings: AppSettings) -> list[Finding]:
    """Return a finding for each name of ``versionedConfig`` that no ConfigMap or Secret has."""
    chosen = settings.versioned_config
    names = {manifest.name for manifest in manifests if is_config(manifest.body)}
    message = "no ConfigMap or Secret of the app {} has the name {}"
    return [
        Finding(SETTINGS_FILE, 0, 0, "versionedConfig", message.format(settings.app, name), "correct the name")
        for name in (() if isinstance(chosen, bool) else chosen)
        if name not in names
    ]


def _no_rollout(manifests: Sequence[Manifest], label: str, *, is_printed: bool) -> Finding:
    for manifest in manifests:
        if manifest.kind == "Deployment":
            message, hint = "is a Deployment, and the app has no Rollout", "`rollstep init` converts it to a Rollout"
            if is_printed:
                # A conversion would be lost with the next output of the command.
                reference = f"{{apiVersion: apps/v1, kind: Deployment, name: {manifest.name}}}"
                hint = f"let the command print a Rollout beside it with `workloadRef: {reference}`"
            return finding(manifest, (), message, hint)
    return Finding(label, 0, 0, "", "has no Rollout (argoproj.io/v1alpha1)", "add one; `rollstep init` creates it")


def _several_rollouts(rollouts: Sequence[Manifest]) -> list[Finding]:
    findings = []
    for rollout in rollouts:
        others = [place(other) for other in islice((other for other in rollouts if other is not rollout), _MAX_PLACES)]
        more = len(rollouts) - 1 - len(others)
        places = " and ".join([*others, f"{more} more"] if more else others)
        message = f"the Rollout {rollout.name}: there is another Rollout at {places}"
        findings.append(finding(rollout, (), message, "put each Rollout into an app's folder of its own"))
    return findings
