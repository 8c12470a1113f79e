"""Kubernetes objects out of streams of manifests: what each document is, whether it is an object, and its identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.encrypted import document_text, is_sealed
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, Source, field_path, mapping

if TYPE_CHECKING:
    pass

ROLLOUT_GROUP = "argoproj.io"
CLUSTER_SCOPED = frozenset(
    {
        ("", "ComponentStatus"),
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("argoproj.io", "ClusterAnalysisTemplate"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("cert-manager.io", "ClusterIssuer"),
        ("external-secrets.io", "ClusterExternalSecret"),
        ("external-secrets.io", "ClusterSecretStore"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("kyverno.io", "ClusterPolicy"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("policy", "PodSecurityPolicy"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("security.openshift.io", "SecurityContextConstraints"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)
"""Kinds (group, kind) that have no namespace: those of Kubernetes 1.34's ``kubectl api-resources --namespaced=false``
and of controllers that are often beside a release."""


class LoadedObject(Struct, frozen=True):
    """An object, and where it can be edited."""

    manifest: Manifest
    path: Path | None
    index: int


def is_rollout(manifest: Manifest) -> bool:
    """Tell whether an object is a Rollout of Argo Rollouts."""
    return manifest.kind == "Rollout" and manifest.key.group == ROLLOUT_GROUP


def in_namespace(manifest: Manifest, namespace: str) -> Manifest:
    """Return the object with ``namespace`` where it has none and its kind has one; as it is for an empty one.

    An object that has to stay as it was written does.
    """
    if not namespace or manifest.namespace or manifest.text or (manifest.key.group, manifest.kind) in CLUSTER_SCOPED:
        return manifest
    metadata = {**manifest.metadata, "namespace": namespace}
    return replace(manifest, body={**manifest.body, "metadata": metadata})


def read_objects(texts: Sequence[SourceText]) -> tuple[list[LoadedObject], list[Finding]]:
    """Return the objects of some streams, Lists taken apart, and a finding for all that is none."""
    loaded: list[LoadedObject] = []
    findings: list[Finding] = []
    # Reads YAML with libyaml, which is not needed to name an object.
    from renderer.kubernetes.yaml.reader import MAX_FINDINGS, load_documents

    for text in texts:
        try:
            documents = load_documents(text.text, text.file)
        except RollstepError as error:
            findings += error.findings
            continue
        for index, document in enumerate(documents):
            for manifest in _flatten(Manifest(document.value, document.source)):
                wrong = _no_object(manifest)
                findings += wrong
                if len(findings) >= MAX_FINDINGS:
                    return loaded, findings
                if not wrong:
                    is_whole = manifest.body is document.value
                    path = text.path if is_whole else None
                    if is_whole and is_sealed(manifest.body):
                        line, _ = manifest.source.position(())
                        manifest = replace(manifest, text=document_text(text.text, line))
                    loaded.append(LoadedObject(manifest, path, index))
    return loaded, findings


def _flatten(manifest: Manifest) -> Iterator[Manifest]:
    """Yield the object, or the items of a List, as ``kubectl apply`` takes them."""
    body: Any = manifest.body
    items = body.get("items") if isinstance(body, dict) else None
    if not (isinstance(items, list) and manifest.kind.endswith("List")):
        yield manifest
        return
    for index, item in enumerate(items):
        source = manifest.source
        yield from _flatten(Manifest(item, Source(source.file, _Below(source.positions, ("items", index)))))


class _Below(Mapping[tuple[str | int, ...], tuple[int, int]]):
    """The positions below a path."""

    def __init__(
        self, positions: Mapping[tuple[str | int, ...], tuple[int, int]], prefix: tuple[str | int, ...]
    ) -> None:
        self._positions = positions
        self._prefix = prefix

    def __getitem__(self, path: tuple[str | int, ...]) -> tuple[int, int]:
        return self._positions[self._prefix + path]

    def __iter__(self) -> Iterator[tuple[str | int, ...]]:
        depth = len(self._prefix)
        return (path[depth:] for path in self._positions if path[:depth] == self._prefix)

    def __len__(self) -> int:
        return sum(1 for _ in self)


_LFS_POINTER = "version https://git-lfs.github.com/spec/"
"""What the files begin with that git LFS leaves where it has not fetched the content (its ``docs/spec.md``)."""


def _no_object(manifest: Manifest) -> list[Finding]:
    """Return what makes a document no Kubernetes object."""
    body: Any = manifest.body
    if isinstance(body, str) and body.startswith(_LFS_POINTER):
        return [finding(manifest, (), "is a pointer of git LFS, not the file itself", "git lfs pull")]
    if not isinstance(body, dict):
        return [finding(manifest, (), f"is no Kubernetes object: expected a mapping, found {_type_name(body)}")]
    findings = []
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        value: Any = body
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and path[0] == "metadata" and "generateName" in manifest.metadata:
            findings.append(finding(manifest, path, "missing: generateName cannot be rendered into git", "set a name"))
        elif value is None:
            findings.append(finding(manifest, path, "missing: every Kubernetes object has one"))
        elif not isinstance(value, str) or not value:
            findings.append(finding(manifest, path, f"expected text, found {value!r}", "put it in quotes"))
    namespace = manifest.metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        message = f"expected text, found {namespace!r}"
        findings.append(finding(manifest, ("metadata", "namespace"), message, "put it in quotes"))
    return findings


def duplicates(manifests: Sequence[Manifest], namespace: str) -> list[Finding]:
    """Return a finding for each object that an earlier one has the identity of; ``namespace`` is the Rollout's."""
    first: dict[ObjectKey, Manifest] = {}
    findings = []
    for manifest in manifests:
        key = manifest.key
        if not key.namespace and (key.group, key.kind) not in CLUSTER_SCOPED:
            key = key._replace(namespace=namespace)
        earlier = first.setdefault(key, manifest)
        if earlier is not manifest:
            message = f"{manifest.kind} {manifest.name} is there twice, the other one at {place(earlier)}"
            findings.append(finding(manifest, (), message, "take one of them away"))
    return findings


def place(manifest: Manifest) -> str:
    """Return where an object begins, as ``file:line``."""
    line, _ = manifest.source.position(())
    return f"{manifest.source.file}:{line}" if line else manifest.source.file


def _type_name(value: Any) -> str:
    names: dict[type, str] = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "nothing")


def finding(manifest: Manifest, path: tuple[str | int, ...], message: str, hint: str = "") -> Finding:
    """Return a finding at a field of an object, or at the field's nearest parent that is there."""
    line, column = manifest.source.position(path)
    return Finding(manifest.source.file, line, column, field_path(path), message, hint)


class SourceText(Struct, frozen=True):
    """A stream of manifests: ``file`` is its name in findings, ``path`` where an edit of it can be written.

    ``path`` is None where the text was made by a template or a command.
    """

    file: str
    path: Path | None
    text: str


AUTOSCALER = ("autoscaling", "HorizontalPodAutoscaler")


BUDGET = ("policy", "PodDisruptionBudget")


def scales_rollout(body: Body, name: str) -> bool:
    """Tell whether a HorizontalPodAutoscaler scales the Rollout of that name."""
    target = mapping(body, "spec", "scaleTargetRef")
    group = str(target.get("apiVersion") or "argoproj.io").partition("/")[0]
    return (group, target.get("kind"), target.get("name")) == ("argoproj.io", "Rollout", name)
