"""Reads back the output folder of an app as the last render wrote it.

Only this folder has the ReplicaSets.  A pod template that was edited there would pass for what runs in the cluster, so
a file that differs from its digest in the marker is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.encrypted import is_sealed
from renderer.kubernetes.manifest import Manifest, finding
from renderer.kubernetes.versioned_config import is_config, is_versioned, looks_versioned
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.kubernetes.yaml.shape import COUNT, TEXT, Fields, Items, Shape, Value, mismatches
from renderer.pipeline.load.files import Files, Folder
from renderer.pipeline.load.marker import MARKER, digest, for_own_files, parse_marker
from renderer.pipeline.load.sources import KUSTOMIZATION, STATUS_FILE
from renderer.pipeline.load.status_file import State
from renderer.rollouts.controller.templates import sync_metadata
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet
from renderer.rollouts.model.versions import VERSIONS
from renderer.rollouts.pod_template import pod_template_hash

_MAPPING = Value("a mapping", lambda value: isinstance(value, dict))
_TEXTS = Items(TEXT, named=True)
_METADATA = Fields(
    {"name": TEXT, "namespace": TEXT, "labels": _TEXTS, "annotations": _TEXTS}, frozenset({"name"}), others=True
)
_HEAD: Mapping[str, Shape] = {"apiVersion": TEXT, "kind": TEXT, "metadata": _METADATA}
_OBJECT = Fields(_HEAD, frozenset(_HEAD), others=True)
_TEMPLATE = Fields({"metadata": Fields({"labels": _TEXTS, "annotations": _TEXTS}, others=True), "spec": _MAPPING})
_SPECS: Mapping[str, Fields] = {
    "ReplicaSet": Fields(
        {"replicas": COUNT, "minReadySeconds": COUNT, "selector": _MAPPING, "template": _TEMPLATE},
        frozenset({"selector", "template"}),
    ),
    "Service": Fields({"selector": _TEXTS}, others=True),
}


class LastRender(Struct, frozen=True):
    """The output folder of the last render: the digests in its marker, and its files and their manifests."""

    owned: Mapping[str, str]
    contents: Mapping[str, bytes]
    manifests: Sequence[Manifest]


def read_last_render(
    output: Path, output_path: str, state: State | None, files: Files | None = None, *, is_whole: bool = False
) -> LastRender:
    """Read rollstep's own files in ``output``; ``output_path`` is the folder's name in findings.

    ``files`` are the repository's, None for those on disk.  ``is_whole`` trusts no digest of the marker: every pod
    template has to be that of its hash.

    Raises RollstepError for a missing folder, and for ReplicaSets of a release whose status is missing.  Also raises
    it with every missing ReplicaSet, every invalid manifest, and every pod template that was edited by hand.
    """
    folder, files = Path(output_path).parent.as_posix(), files or Folder(output)
    try:
        marker = f"{output}/{MARKER}"
        owned = parse_marker(files.read_own(marker, marker), marker)
    except RollstepError as error:
        raise RollstepError(for_own_files(error.findings, folder)) from error
    if state is not None and not owned:
        message = f"is missing or empty, but {STATUS_FILE} records a release"
        hint = (
            f"restore the folder with git, in a sparse checkout by git sparse-checkout add {output_path};"
            f" where it was moved in rollstep.yaml: git mv the old one to {output_path}"
        )
        raise RollstepError.at(f"{output_path}/{MARKER}", message, hint)
    manifests: list[Manifest] = []
    contents: dict[str, bytes] = {}
    findings: list[Finding] = []
    for name in sorted(owned):
        path, file = f"{output}/{name}", f"{output_path}/{name}"
        try:
            content = files.read_own(path, file)
        except RollstepError as error:
            findings += for_own_files(error.findings, folder)
            continue
        if content is None:
            if name.startswith("replicaset-") or _is_config_file(name):
                message = f"is missing, but {MARKER} lists it"
                findings.append(Finding(file, 0, 0, "", message, _restore_hint(file)))
            continue
        contents[name] = content
        if name == KUSTOMIZATION:
            continue
        try:
            documents = load_documents(decode(content, file), file)
        except RollstepError as error:
            findings += for_own_files(error.findings, folder)
            continue
        is_edited = is_whole or digest(content) != owned[name]
        for document in documents:
            manifest, is_mapping = Manifest(document.value, document.source), isinstance(document.value, dict)
            if is_mapping:
                if is_sealed(manifest.body):
                    manifest = replace(manifest, text=decode(content, file))
                manifests.append(manifest)
                findings += _missing_count(manifest, state)
            if is_edited or not is_mapping:
                findings += _damage(manifest, state)
    if state is None and any(manifest.kind == "ReplicaSet" for manifest in manifests) and not findings:
        message = f"is missing, but {output_path} has ReplicaSets of a release"
        hint = f"restore it with git, or remove {output_path} to start anew"
        raise RollstepError.at(f"{folder}/{STATUS_FILE}", message, hint)
    if findings:
        raise RollstepError(findings)
    return LastRender(owned, contents, manifests)


def forged(last_render: LastRender, state: State | None) -> Iterator[Finding]:
    """Yield the ReplicaSets and versioned objects whose content is not that of the hash in their names.

    The marker's digests are trusted nowhere else than for speed: who edits a file can write its digest, too.
    """
    for manifest in last_render.manifests:
        yield from _damage(manifest, state)


def foreign_names(output: Path, last_render: LastRender) -> list[str]:
    """Return the names in the output folder that rollstep does not own, sorted; a sync tool reads them as well."""
    known = {MARKER, *last_render.owned}
    return sorted(entry.name for entry in Folder(output).entries(str(output)) if entry.name not in known)


def _is_config_file(name: str) -> bool:
    """Return whether a file has a versioned ConfigMap or Secret: only this folder has those of old revisions."""
    return name.startswith(("configmap-", "secret-")) and looks_versioned(name.removesuffix(".yaml"))


def _missing_count(manifest: Manifest, state: State | None) -> Iterator[Finding]:
    """Yield a finding for a ReplicaSet whose number of pods is neither in its manifest nor in the status."""
    spec = manifest.body.get("spec")
    has_count = not isinstance(spec, dict) or "replicas" in spec or state is None or manifest.name in state.replicas
    if manifest.kind == "ReplicaSet" and not has_count:
        message = f"is missing, and {STATUS_FILE} does not record its number of pods"
        yield finding(manifest, ("spec", "replicas"), message, _restore_hint(manifest.source.file))


def _damage(manifest: Manifest, state: State | None) -> Iterator[Finding]:
    """Yield the reasons why a manifest with other bytes than rollstep wrote cannot be used."""
    hint = _restore_hint(manifest.source.file)
    wrong = list(mismatches(manifest.body, _OBJECT))
    shape = _SPECS.get(manifest.kind) if not wrong else None
    if shape is not None:
        wrong += mismatches(manifest.body.get("spec"), shape, ("spec",))
    for path, message in wrong:
        yield finding(manifest, path, message, hint)
    if not wrong and looks_versioned(manifest.name) and is_config(manifest.body) and not is_versioned(manifest.body):
        message = "was edited by hand: its content does not have the hash in its name"
        yield finding(manifest, ("data",), message, hint)
    if wrong or manifest.kind != "ReplicaSet":
        return
    replica_set = ReplicaSet.from_body(manifest.body)
    if not _is_intact(replica_set, state.status.collision_count if state else None):
        message = f"was edited by hand: it is not the pod template of {replica_set.pod_template_hash or 'any hash'}"
        yield finding(manifest, ("spec", "template"), message, hint)


def _is_intact(replica_set: ReplicaSet, collision_count: int | None) -> bool:
    """Return whether the template has the hash of its label; false for a template with injected anti-affinity."""
    template = sync_metadata(replica_set, None)[0].template
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    bare = {**template, "metadata": {**metadata, "labels": labels}}
    counts = (None, *range(1, (collision_count or 0) + 1))
    hashes = (pod_template_hash(bare, count, version) for version in VERSIONS for count in counts)
    return replica_set.pod_template_hash in hashes


def _restore_hint(file: str) -> str:
    return f"restore it: git checkout COMMIT -- {file}, with a COMMIT that git log lists for it"
