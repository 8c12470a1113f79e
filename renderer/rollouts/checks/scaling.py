"""Other objects that concern a Rollout's pods: autoscalers, budgets, other workloads and Secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from renderer.kubernetes.encrypted import is_encrypted
from renderer.kubernetes.kinds import AUTOSCALER, BUDGET, scales_rollout
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.selectors import selects
from renderer.rollouts.checks.references import Kind, Objects, check_experiment_services
from renderer.rollouts.checks.report import Path, Report, part_of
from renderer.rollouts.checks.role_metadata import check_role_metadata

ROLLOUT: Kind = ("argoproj.io", "Rollout")
DEPLOYMENT: Kind = ("apps", "Deployment")
SECRET: Kind = ("", "Secret")
TARGET: Path = ("spec", "scaleTargetRef")
OTHER_AUTOSCALERS: Mapping[Kind, Path] = {
    ("keda.sh", "ScaledObject"): TARGET,
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"): ("spec", "targetRef"),
}
"""Autoscalers that read their target from the cluster, with the path of its reference."""

PLAIN_SECRETS = "plain-secrets"
"""The value of the setting ``allow`` for Secrets in plain text."""


def check_scaling(report: Report, objects: Objects) -> None:
    """Report autoscalers without their Rollout and, for an app, objects that conflict with rendered ReplicaSets."""
    for autoscaler in _beside(report, objects, AUTOSCALER):
        _check_target(report, objects, autoscaler)
    if report.is_app:
        _check_other_autoscalers(report, objects)
        _check_one_of_each(report, objects)
        _check_deployments(report, objects)
        _check_secrets(report, objects)
        check_experiment_services(report, objects)
        check_role_metadata(report, objects)


def _beside(report: Report, objects: Objects, kind: Kind) -> Iterator[Manifest]:
    own = report.rollout.namespace
    return (manifest for manifest in objects.of_kind(kind) if (manifest.namespace or own) == own)


def _check_target(report: Report, objects: Objects, autoscaler: Manifest) -> None:
    target = part_of(autoscaler.body, TARGET)
    kind, name = part_of(target, ("kind",)), part_of(target, ("name",))
    hint = f"let its scaleTargetRef be the Rollout {report.rollout.name} (argoproj.io/v1alpha1)"
    if kind == "Deployment" and name and name == _workload_name(report):
        message = f'scales the Deployment "{name}", whose pods are those of the Rollout {report.rollout.name}'
        report.add("RS313", (*TARGET, "name"), message, hint, manifest=autoscaler)
    known = name == report.rollout.name or (isinstance(name, str) and objects.named(ROLLOUT, name))
    if kind == "Rollout" and not known:
        report.add("RS313", (*TARGET, "name"), f'Rollout "{name}" not found', hint, manifest=autoscaler)


def _workload_name(report: Report) -> str:
    return report.text("spec", "workloadRef", "name") if report.text("spec", "workloadRef", "kind") else ""


def _check_other_autoscalers(report: Report, objects: Objects) -> None:
    """Report autoscalers that require the Rollout in the cluster."""
    for kind, path in OTHER_AUTOSCALERS.items():
        for manifest in _beside(report, objects, kind):
            target = part_of(manifest.body, path)
            named = (part_of(target, ("kind",)), part_of(target, ("name",)))
            if named == ("Rollout", report.rollout.name):
                message = f"{manifest.kind} {manifest.name} scales the Rollout, which is not in the cluster"
                hint = "use a HorizontalPodAutoscaler (with external metrics, where KEDA has them)"
                if path != TARGET:
                    hint = "set the requests in the pod template, and take it out"
                report.add("RS314", path, message, hint, manifest=manifest)


def _check_one_of_each(report: Report, objects: Objects) -> None:
    labels = _labels(report, objects)
    autoscalers = [
        item for item in _beside(report, objects, AUTOSCALER) if scales_rollout(item.body, report.rollout.name)
    ]
    budgets = [
        item
        for item in _beside(report, objects, BUDGET)
        if labels and selects(part_of(item.body, ("spec", "selector")), labels)
    ]
    for found, what in ((autoscalers, "scales the Rollout"), (budgets, "has the pods of the Rollout")):
        for other in found[1:]:
            message = f"{other.kind} {other.name} {what} {report.rollout.name}, and so does {found[0].name}"
            report.add("RS315", ("spec",), message, "merge them into one", manifest=other)


def _check_deployments(report: Report, objects: Objects) -> None:
    """Report Deployments that would adopt the release's ReplicaSets, which have no owner."""
    labels, workload = _labels(report, objects), _workload_name(report)
    for deployment in _beside(report, objects, DEPLOYMENT):
        path: Path = ("spec", "selector")
        if labels and deployment.name != workload and selects(part_of(deployment.body, path), labels):
            name = deployment.name
            message = f'the selector of the Deployment "{name}" matches the pods of the Rollout {report.rollout.name}'
            hint = (
                "it would adopt the release's ReplicaSets and scale them down: give its pods a label of their own and "
                "name it in the selector, or take the Deployment out"
            )
            report.add("RS316", path, message, hint, manifest=deployment)


def _check_secrets(report: Report, objects: Objects) -> None:
    for secret in objects.of_kind(SECRET) if PLAIN_SECRETS not in report.allow else ():
        fields = [field for field in ("data", "stringData") if part_of(secret.body, (field,))]
        if fields and not is_encrypted(secret.body):
            message = f"Secret {secret.name} has its {' and '.join(fields)} in plain text, and would be put into git"
            hint = "encrypt it (SOPS, SealedSecret), let an operator make it, or allow plain-secrets in rollstep.yaml"
            report.add("RS317", (fields[0],), message, hint, manifest=secret)


def _labels(report: Report, objects: Objects) -> Mapping[str, Any]:
    name = _workload_name(report)
    for workload in objects.named(DEPLOYMENT, name) if name else ():
        found = part_of(workload.body, ("spec", "template", "metadata", "labels"))
        if isinstance(found, dict):
            return found
    return report.mapping("spec", "template", "metadata", "labels")
