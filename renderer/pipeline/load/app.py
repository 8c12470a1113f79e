"""From the repository, a stream or files to an ``App``: its Rollout and its other manifests, checked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_all
from renderer.kubernetes.kinds import in_namespace, is_rollout
from renderer.kubernetes.manifest import Manifest, ObjectKey, finding, place
from renderer.kubernetes.read_objects import STDIN, SourceText, duplicates, read_objects
from renderer.kubernetes.sync_tools.tools import unsafe_order
from renderer.kubernetes.versioned_config import is_config, with_versioned_config
from renderer.pipeline.load.discover import AppRef, find_apps
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings, Settings
from renderer.pipeline.load.sources import read_sources
from renderer.rollouts.checks import check_and_read
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.versions import DEFAULT_VERSION

__all__ = ["App", "AppRef", "find_apps", "load_app", "load_files", "load_stream"]


_NAMED = 3


class App(Struct, frozen=True):
    """What an app's sources say.

    ``rollout`` is the Rollout as written (with the configured namespace), ``manifests`` all other objects in the order
    of the sources.  ``rollout_file`` is the file where the Rollout can be edited, and ``rollout_index`` its document
    there as ``load_documents`` counts; None where it comes from a template, a command, a stream
    or a List; ``places`` has the same of every object.  ``files`` has every file that was read.  ``read`` is a manifest
    and the Rollout that ``read_rollout`` would read in it, where the checks did so already.
    """

    ref: AppRef
    settings: AppSettings
    rollout: Manifest
    manifests: tuple[Manifest, ...]
    rollout_file: Path | None = None
    rollout_index: int = 0
    files: tuple[Path, ...] = ()
    places: Mapping[ObjectKey, tuple[Path, int]] = field(default_factory=dict)
    read: tuple[Manifest, Rollout] | None = None


def load_app(ref: AppRef, settings: Settings, root: Path) -> App:
    """Return the app of ``ref`` in the repository at ``root``.

    Raises ``RollstepError`` with all that is wrong with it: what is not YAML or no Kubernetes object, none or
    several Rollouts, objects that are there twice, and what ``check`` finds; or with an ``order``
    that is not safe with what applies it.
    """
    app_settings = settings.for_app(ref.environment, ref.name)
    unsafe = unsafe_order(settings.body, settings.source, ref.environment, ref.name)
    if unsafe:
        raise RollstepError(unsafe)
    sources = read_sources(ref.folder, app_settings, root)
    app = _load(sources.texts, ref, app_settings, str(ref.folder.relative_to(root)))
    return replace(app, files=sources.files)


def load_stream(text: str, file: str, settings: AppSettings) -> App:
    """Return the app of a stream of manifests, such as standard input; ``file`` is its name in findings.

    Raises ``RollstepError`` as ``load_app`` does.
    """
    return _load([SourceText(file, None, text)], AppRef(settings.environment, settings.app, Path()), settings, file)


def load_files(directory: str, names: Sequence[str], settings: AppSettings) -> App:
    """Return the app of some files of manifests below ``directory`` (``-`` is standard input).

    Raises ``RollstepError`` as ``load_app`` does.
    """
    texts = map_all(names, lambda name: _read(directory, name))
    ref = AppRef(settings.environment, settings.app, Path())
    app = _load(texts, ref, settings, ", ".join(text.file for text in texts))
    return replace(app, files=tuple(text.path for text in texts if text.path is not None))


def _read(directory: str, name: str) -> SourceText:
    from renderer.kubernetes.yaml.reader import read_stream, read_text

    if name == "-":
        return SourceText(STDIN, None, read_stream(sys.stdin.buffer, STDIN))
    path = Path(directory, name)
    return SourceText(name, path, read_text(path, name))


def _load(texts: Sequence[SourceText], ref: AppRef, settings: AppSettings, shown: str) -> App:
    loaded, findings = read_objects(texts)
    # What could not be read may be what the rest refers to.
    if findings:
        raise RollstepError(findings)
    loaded = [replace(item, manifest=in_namespace(item.manifest, settings.namespace)) for item in loaded]
    rollouts = [item for item in loaded if is_rollout(item.manifest)]
    others = tuple(item.manifest for item in loaded if not is_rollout(item.manifest))
    if not rollouts:
        findings.append(_no_rollout(others, shown))
    if len(rollouts) > 1:
        findings += _several([item.manifest for item in rollouts])
    findings += duplicates(others, rollouts[0].manifest.namespace if rollouts else "")
    typed = None
    if len(rollouts) == 1:
        wrong, typed = check_and_read(rollouts[0].manifest, others, settings.controller_version, settings.allow)
        findings += wrong
    findings += _unknown_config(others, settings)
    if findings:
        raise RollstepError(findings)
    rollout = rollouts[0]
    if not ref.name:
        ref = replace(ref, name=rollout.manifest.name)
    places = {item.manifest.key: (item.path, item.index) for item in loaded if item.path is not None}
    manifest, others = with_versioned_config(rollout.manifest, others, settings.versioned_config)
    # The engine reads by the CRD that a cluster has whatever its controller is.
    known = (rollout.manifest, typed) if typed is not None and settings.controller_version == DEFAULT_VERSION else None
    return App(ref, settings, manifest, others, rollout.path, rollout.index, places=places, read=known)


def _unknown_config(manifests: Sequence[Manifest], settings: AppSettings) -> list[Finding]:
    """Return a finding for each name of ``versionedConfig`` that no ConfigMap or Secret has."""
    chosen = settings.versioned_config
    there = {manifest.name for manifest in manifests if is_config(manifest.body)}
    message = "no ConfigMap or Secret of the app {} has the name {}"
    return [
        Finding(SETTINGS_FILE, 0, 0, "versionedConfig", message.format(settings.app, name), "mend the name")
        for name in (() if isinstance(chosen, bool) else chosen)
        if name not in there
    ]


def _no_rollout(manifests: Sequence[Manifest], shown: str) -> Finding:
    workloads = [manifest for manifest in manifests if manifest.kind == "Deployment"]
    if workloads:
        return finding(workloads[0], (), "a Deployment and no Rollout", "`rollstep init` makes a Rollout of it")
    return Finding(shown, 0, 0, "", "has no Rollout (argoproj.io/v1alpha1)", "add one: `rollstep init` makes one")


def _several(rollouts: Sequence[Manifest]) -> list[Finding]:
    findings = []
    for rollout in rollouts:
        # A few places are enough, and thousands of Rollouts may be in one stream.
        others = [place(other) for other in islice((other for other in rollouts if other is not rollout), _NAMED)]
        more = len(rollouts) - 1 - len(others)
        shown = " and ".join([*others, f"{more} more"] if more else others)
        message = f"the Rollout {rollout.name}, and there is another one at {shown}"
        findings.append(finding(rollout, (), message, "put each Rollout into an app's folder of its own"))
    return findings
