"""Parts of a Rollout that its ReplicaSets and pods take over, and that mean something else there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from renderer.errors import Finding
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.spec import PREFERRED, REQUIRED
from renderer.verbs.lint.context import Context

ARGO_CD, FLUX = "argocd.argoproj.io", "kustomize.toolkit.fluxcd.io"
SYNC = {
    SYNC_WAVE: re.compile(r"(?!0*$).*"),
    f"{ARGO_CD}/hook": re.compile(".*"),
    f"{ARGO_CD}/sync-options": re.compile(r".*\b((Replace|Force)=true|(Prune|Delete)=(false|confirm))\b.*"),
    f"{FLUX}/ssa": re.compile(".*"),
    f"{FLUX}/prune": re.compile("disabled"),
    f"{FLUX}/reconcile": re.compile("disabled"),
    f"{FLUX}/force": re.compile("enabled"),
}
"""Annotations of sync tools, with the values that change when or whether an object is applied or removed."""
POD: Path = ("spec", "template", "spec")
DEPLOYMENT_HASH = "pod-template-hash"
LONGEST_IMAGE = 1024
"""More characters than any reference to an image has."""
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?)*|\[[a-fA-F0-9:]+\])"
_IMAGE = re.compile(
    rf"(?:{_HOST}(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][-A-Za-z0-9_.]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)
"""A reference to an image (distribution/reference v0.6 ``regexp.go``)."""


def sync_annotations(context: Context) -> Iterator[Finding]:
    """Yield annotations of sync tools on a Rollout that apply to each ReplicaSet."""
    for subject in context.subjects():
        for name, value in subject.mapping("metadata", "annotations").items() if subject.group.app else ():
            if name in SYNC and isinstance(value, str) and SYNC[name].fullmatch(value.strip()):
                message = f"{value!r} applies to each ReplicaSet, and not to the Rollout, which is not in the cluster"
                yield subject.finding(("metadata", "annotations", name), message, "take it out of the Rollout")


def images_without_reference(context: Context) -> Iterator[Finding]:
    """Yield images that no container runtime can pull."""
    for subject in context.subjects():
        for kind in ("initContainers", "containers"):
            for path, container in subject.mappings(*POD, kind):
                image = container.get("image")
                if isinstance(image, str) and image.strip() and not _is_reference(image):
                    message = f'"{image}" is not a reference to an image: its pods would never start'
                    yield subject.finding(
                        (*path, "image"), message, "write [HOST/]NAME[:TAG][@DIGEST], NAME in lower case"
                    )


def _is_reference(image: str) -> bool:
    return len(image) <= LONGEST_IMAGE and _IMAGE.fullmatch(image) is not None


def label_keys_without_label(context: Context) -> Iterator[Finding]:
    """Yield keys of ``matchLabelKeys`` and ``mismatchLabelKeys`` that the pods of a Rollout do not have.

    The key of a Deployment's pods has a rule of its own.
    """
    for subject in context.subjects():
        labels = subject.mapping("spec", "template", "metadata", "labels")
        for path in _label_keys(subject) if labels else ():
            for index, key in enumerate(subject.items(*path)):
                if isinstance(key, str) and key not in (HASH_LABEL, DEPLOYMENT_HASH, *labels):
                    message = f"the pods have no label {key}, so this key of {path[-1]} is ignored"
                    yield subject.finding((*path, index), message, "take it out, or give the label to the pods")


def _label_keys(report: Report) -> Iterator[Path]:
    for path, _ in report.mappings(*POD, "topologySpreadConstraints"):
        yield (*path, "matchLabelKeys")
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = [path for path, _ in report.mappings(*POD, "affinity", kind, REQUIRED)]
        terms += [(*path, "podAffinityTerm") for path, _ in report.mappings(*POD, "affinity", kind, PREFERRED)]
        for path in terms:
            yield (*path, "matchLabelKeys")
            yield (*path, "mismatchLabelKeys")
