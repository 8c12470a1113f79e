"""Labels of pods that are missing, or do not change, where no controller of Argo Rollouts runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.kinds import AUTOSCALER, scales_rollout
from renderer.kubernetes.manifest import FieldPath, Manifest, finding
from renderer.rollouts.checks.labels import DEPLOYMENT_HASH, deployment_hash_paths
from renderer.rollouts.checks.report import Path, part_of
from renderer.rollouts.checks.role_metadata import FIELDS
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.verbs.lint.context import Context, Subject, is_beside

TEMPLATE: FieldPath = ("spec", "template")


def role_metadata_in_pods(context: Context) -> Iterator[Finding]:
    """Yield labels and annotations of a role that a container reads through the downward API."""
    for subject, path, key, reader in _role_metadata(context):
        if reader:
            message = f"running pods do not get it, and {reader} reads it"
            yield subject.finding((*path, key), message, "let the program ask for its role elsewhere")


def role_metadata(context: Context) -> Iterator[Finding]:
    """Yield labels and annotations of a role that only new pods get."""
    for subject, path, key, reader in _role_metadata(context):
        if not reader:
            message = "running pods do not get it: a pod keeps the role that it began with"
            yield subject.finding((*path, key), message, "expect it at the pods of one version, or remove it")


def _role_metadata(context: Context) -> Iterator[tuple[Subject, Path, str, str]]:
    """Yield each key of a role with its path and, if a container reads it, the field that does."""
    for subject in context.subjects():
        if not subject.group.app:
            continue
        read = dict(_downward(subject.at(*TEMPLATE), TEMPLATE))
        for field in FIELDS:
            for part in ("labels", "annotations"):
                for key in subject.mapping(*field, part):
                    whole, single = f"metadata.{part}", f"metadata.{part}['{key}']"
                    yield subject, (*field, part), key, read.get(single) or read.get(whole) or ""


def _downward(value: Any, path: Path) -> Iterator[tuple[str, str]]:
    """Yield each field of the pod that the downward API gives, with the place of its ``fieldRef``."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _downward(item, (*path, index))
    elif isinstance(value, dict):
        named = part_of(value, ("fieldRef", "fieldPath"))
        if isinstance(named, str):
            yield named.replace('"', "'"), f"{'env' if 'valueFrom' in path else 'a volume'} ({named})"
        for key, item in value.items():
            yield from _downward(item, (*path, str(key)))


def hash_of_deployments(context: Context) -> Iterator[Finding]:
    """Yield uses of the label that only a Deployment's ReplicaSets give their pods."""
    hint = f"write {HASH_LABEL}"
    message = f"the pods of a Rollout have {HASH_LABEL} instead, so that this counts the pods of no or of all versions"
    for subject in context.subjects():
        for manifest in (subject.rollout, *_workload(subject)):
            for path in deployment_hash_paths(part_of(manifest.body, TEMPLATE), TEMPLATE):
                yield finding(manifest, path, f"{DEPLOYMENT_HASH}: {message}", hint)


def _workload(subject: Subject) -> Iterator[Manifest]:
    reference = subject.mapping("spec", "workloadRef")
    group = str(reference.get("apiVersion")).rpartition("/")[0]
    found = subject.named((group, str(reference.get("kind"))), str(reference.get("name"))) if reference else None
    if found is not None:
        yield found


def metrics_of_all_versions(context: Context) -> Iterator[Finding]:
    """Yield metrics of a Rollout's autoscaler that are about all of its pods."""
    for subject in context.subjects():
        if not subject.group.app:
            continue
        for manifest in subject.group.manifests:
            is_its = (manifest.key.group, manifest.kind) == AUTOSCALER and is_beside(manifest, subject.rollout)
            metrics = part_of(manifest.body, ("spec", "metrics"))
            if not is_its or not scales_rollout(manifest.body, subject.rollout.name) or not isinstance(metrics, list):
                continue
            for index, metric in enumerate(metrics):
                kind = part_of(metric, ("type",))
                if kind in ("External", "Object"):
                    path = ("spec", "metrics", index, "type")
                    message = f"{kind}: the autoscalers of both versions see the whole metric, and scale for all of it"
                    yield finding(manifest, path, message, "use metrics of pods, or `replicas: rollstep`")
