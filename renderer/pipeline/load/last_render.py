"""What the last commit left in an app's output folder, read back for the next one (shell).

ReplicaSets are nowhere else: a pod template that somebody has edited there would be taken for what runs in the cluster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, field_path
from renderer.kubernetes.versioned_config import is_config, is_versioned, looks_versioned
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.kubernetes.yaml.shape import COUNT, TEXT, Fields, Items, Shape, Value, mismatches
from renderer.pipeline.load.marker import MARKER, digest, read_marker
from renderer.pipeline.load.sources import KUSTOMIZATION, STATUS_FILE
from renderer.pipeline.load.status_file import State
from renderer.rollouts.controller.templates import sync_metadata
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet
from renderer.rollouts.model.versions import VERSIONS
from renderer.rollouts.pod_template import pod_template_hash

ANYTHING = Value("a mapping", lambda value: isinstance(value, dict))
TEXTS = Items(TEXT, named=True)
METADATA = Fields(
    {"name": TEXT, "namespace": TEXT, "labels": TEXTS, "annotations": TEXTS}, frozenset({"name"}), others=True
)
HEAD: Mapping[str, Shape] = {"apiVersion": TEXT, "kind": TEXT, "metadata": METADATA}
OBJECT = Fields(HEAD, frozenset(HEAD), others=True)
TEMPLATE = Fields({"metadata": Fields({"labels": TEXTS, "annotations": TEXTS}, others=True), "spec": ANYTHING})
SPECS: Mapping[str, Fields] = {
    "ReplicaSet": Fields(
        {"replicas": COUNT, "minReadySeconds": COUNT, "selector": ANYTHING, "template": TEMPLATE},
        frozenset({"selector", "template"}),
    ),
    "Service": Fields({"selector": TEXTS}, others=True),
}


class LastRender(Struct, frozen=True):
    """The output folder as the last render left it: the digests in its marker, its files, and their manifests."""

    owned: Mapping[str, str]
    contents: Mapping[str, bytes]
    manifests: Sequence[Manifest]


def read_last_render(output: Path, shown: str, state: State | None) -> LastRender:
    """Read rollstep's own files in ``output``; ``shown`` is the folder's name in findings.

    Raises RollstepError for a missing folder; with every missing ReplicaSet, every file that is not a manifest any
    more and every pod template that was edited by hand; and for ReplicaSets of a release whose status is missing.
    """
    owned = read_marker(output)
    if state is not None and not owned:
        message = f"is missing or empty, and {STATUS_FILE} tells of a release"
        hint = (
            f"restore the folder with git, in a sparse checkout by git sparse-checkout add {shown};"
            f" where it was moved in rollstep.yaml: git mv the old one to {shown}"
        )
        raise RollstepError([Finding(f"{shown}/{MARKER}", 0, 0, "", message, hint)])
    manifests: list[Manifest] = []
    contents: dict[str, bytes] = {}
    findings: list[Finding] = []
    for name in sorted(owned):
        path = f"{output}/{name}"
        if not os.path.isfile(path):
            if name.startswith("replicaset-") or _is_config_file(name):
                message = f"is missing, and {MARKER} lists it"
                findings.append(Finding(f"{shown}/{name}", 0, 0, "", message, _restore(f"{shown}/{name}")))
            continue
        try:
            with open(path, "rb", buffering=0) as file:
                content = contents[name] = file.read()
            if name == KUSTOMIZATION:
                continue
            read = _manifests(content, f"{shown}/{name}")
        except OSError as error:
            findings.append(Finding(f"{shown}/{name}", 0, 0, "", f"cannot be read: {error.strerror}"))
            continue
        except RollstepError as error:
            findings += error.findings
            continue
        manifests += read
        findings += [finding for manifest in read for finding in _uncounted(manifest, state)]
        if digest(content) != owned[name]:
            findings += [finding for manifest in read for finding in _damage(manifest, state)]
    if state is None and any(manifest.kind == "ReplicaSet" for manifest in manifests) and not findings:
        message = f"is missing, and {shown} has ReplicaSets of a release"
        hint = f"restore it with git, or remove {shown} to start anew"
        status_file = "/".join([*Path(shown).parent.parts, STATUS_FILE])
        findings.append(Finding(status_file, 0, 0, "", message, hint))
    if findings:
        raise RollstepError(findings)
    return LastRender(owned, contents, manifests)


def _manifests(content: bytes, shown: str) -> list[Manifest]:
    return [Manifest(document.value, document.source) for document in load_documents(decode(content, shown), shown)]


def _is_config_file(name: str) -> bool:
    """Tell whether a file has a versioned ConfigMap or Secret: that of an old revision is nowhere else."""
    return name.startswith(("configmap-", "secret-")) and looks_versioned(name.removesuffix(".yaml"))


def _uncounted(manifest: Manifest, state: State | None) -> Iterator[Finding]:
    """Yield a finding for a ReplicaSet whose number of pods is neither in its manifest nor in the status."""
    spec = manifest.body.get("spec")
    counted = not isinstance(spec, dict) or "replicas" in spec or state is None or manifest.name in state.replicas
    if manifest.kind == "ReplicaSet" and not counted:
        line, column = manifest.source.position(("spec",))
        message = f"is missing, and {STATUS_FILE} has no number of its pods"
        yield Finding(manifest.source.file, line, column, "spec.replicas", message, _restore(manifest.source.file))


def _damage(manifest: Manifest, state: State | None) -> Iterator[Finding]:
    """Yield what keeps a manifest that is not as rollstep wrote it from being read."""
    source = manifest.source
    wrong = list(mismatches(manifest.body, OBJECT))
    shape = SPECS.get(manifest.kind) if not wrong else None
    if shape is not None:
        wrong += mismatches(manifest.body.get("spec"), shape, ("spec",))
    for path, message in wrong:
        yield Finding(source.file, *source.position(path), field_path(path), message, _restore(source.file))
    if not wrong and looks_versioned(manifest.name) and is_config(manifest.body) and not is_versioned(manifest.body):
        message = "was edited by hand: its name does not tell its content"
        yield Finding(source.file, *source.position(("data",)), "data", message, _restore(source.file))
    if wrong or manifest.kind != "ReplicaSet":
        return
    replica_set = ReplicaSet.from_body(manifest.body)
    if not _is_intact(replica_set, state.status.collision_count if state else None):
        line, column = source.position(("spec", "template"))
        message = f"was edited by hand: it is not the pod template of {replica_set.pod_template_hash or 'any hash'}"
        yield Finding(source.file, line, column, "spec.template", message, _restore(source.file))


def _is_intact(replica_set: ReplicaSet, collision_count: int | None) -> bool:
    """Tell whether the template has the hash that its label says; never true where anti-affinity was injected."""
    template = sync_metadata(replica_set, None)[0].template
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    bare = {**template, "metadata": {**metadata, "labels": labels}}
    counts = (None, *range(1, (collision_count or 0) + 1))
    hashes = (pod_template_hash(bare, count, version) for version in VERSIONS for count in counts)
    return replica_set.pod_template_hash in hashes


def _restore(file: str) -> str:
    return f"restore it: git checkout COMMIT -- {file}, with a COMMIT that git log lists for it"
