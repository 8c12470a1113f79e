"""The checks of a pod template.

The rules are the common ones of Kubernetes v1.34 (``pkg/apis/core/validation`` and
``ValidatePodTemplateSpecForReplicaSet`` in ``pkg/apis/apps/validation``); the schemas check types and unknown fields.
"""

from __future__ import annotations

from collections.abc import Container

from renderer.kubernetes.manifest import field_path
from renderer.rollouts.checks.labels import check_labels, is_dns_label, is_qualified_name
from renderer.rollouts.checks.pod_fields import check_fields
from renderer.rollouts.checks.pod_unions import check_unions
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.checks.scheduling import check_scheduling
from renderer.rollouts.checks.values import is_port_name

TEMPLATE: Path = ("spec", "template")
POD: Path = (*TEMPLATE, "spec")
PROTOCOLS = ("TCP", "UDP", "SCTP")


def check_template(report: Report) -> None:
    """Report what the API server and the controller refuse in the Rollout's pod template."""
    check_labels(report, (*TEMPLATE, "metadata", "labels"), "spec.template.labels")
    annotations: Path = (*TEMPLATE, "metadata", "annotations")
    for key in report.mapping(*annotations):
        if not is_qualified_name(str(key).lower()):
            report.add("RS202", (*annotations, key), f'"{key}" is not a valid name', field="spec.template.annotations")
    if not report.items(*POD, "containers"):
        report.add("RS210", (*POD, "containers"), "required: a pod has at least one container")
    policy = report.at(*POD, "restartPolicy")
    if policy not in (None, "", "Always"):
        report.add("RS213", (*POD, "restartPolicy"), f"{policy} is not supported in a ReplicaSet, expected Always")
    if report.at(*POD, "activeDeadlineSeconds") is not None:
        report.add("RS213", (*POD, "activeDeadlineSeconds"), "is not supported in a ReplicaSet")
    volumes = _names(report, (*POD, "volumes"), "volume")
    containers: set[str] = set()
    for key in ("initContainers", "containers"):
        containers |= _names(report, (*POD, key), "container", containers)
        for path, _ in report.mappings(*POD, key):
            if not report.text(*path, "image").strip():
                report.add("RS210", (*path, "image"), "required: every container has an image")
            _check_ports(report, (*path, "ports"))
            _check_mounts(report, (*path, "volumeMounts"), volumes)
            _check_propagation(report, path)
    check_fields(report, POD)
    check_unions(report, POD)
    check_scheduling(report, POD)


def _names(report: Report, path: Path, what: str, taken: Container[str] = ()) -> set[str]:
    """Return the names of the items at ``path``; report missing, invalid and duplicate ones."""
    names: set[str] = set()
    for place, item in report.mappings(*path):
        at, name = (*place, "name"), item.get("name")
        if name is None or name == "":
            report.add("RS210", at, f"required: every {what} has a name")
        elif not isinstance(name, str):
            continue
        elif not is_dns_label(name):
            report.add("RS211", at, f'"{name}" is not a valid name: expected up to 63 lower case letters, digits and -')
        elif name in names or name in taken:
            report.add("RS212", at, f'there is another {what} "{name}"')
        names.add(str(name))
    return names


def _check_ports(report: Report, path: Path) -> None:
    names: set[str] = set()
    for index in range(len(report.items(*path))):
        at = (*path, index)
        name, port = report.text(*at, "name"), report.integer(*at, "containerPort")
        if name and not is_port_name(name):
            message = f'"{name}" is not a valid name: expected up to 15 lower case letters, digits and -'
            report.add("RS211", (*at, "name"), message)
        elif name and name in names:
            report.add("RS212", (*at, "name"), f'there is another port "{name}"')
        names.add(name)
        if report.at(*at, "containerPort") is None:
            report.add("RS215", (*at, "containerPort"), "required: every port has its number")
        elif port is not None and not 1 <= port <= 65535:
            report.add("RS215", (*at, "containerPort"), f"{port} is not between 1 and 65535")
        protocol = report.at(*at, "protocol")
        if protocol not in (None, "", *PROTOCOLS):
            report.add("RS214", (*at, "protocol"), f"{protocol} is not one of {', '.join(PROTOCOLS)}")


def _check_propagation(report: Report, container: Path) -> None:
    """Report a mount that changes the node's mounts from a container that may not.

    v1.9 refused it for privileged containers as well (argo-rollouts#3130).
    """
    if report.at(*container, "securityContext", "privileged") is True:
        return
    for path, mount in report.mappings(*container, "volumeMounts"):
        if mount.get("mountPropagation") == "Bidirectional":
            field = field_path((*container, "volumeMounts", "mountPropagation"))
            message = "Bidirectional is available only to privileged containers"
            report.add("RS219", (*path, "mountPropagation"), message, field=field)


def _check_mounts(report: Report, path: Path, volumes: set[str]) -> None:
    mount_paths: set[str] = set()
    for index in range(len(report.items(*path))):
        at = (*path, index)
        name, mount_path = report.text(*at, "name"), report.text(*at, "mountPath")
        if not name:
            report.add("RS216", (*at, "name"), "required: the name of a volume")
        elif name not in volumes:
            there = f"it has {', '.join(sorted(volumes))}" if volumes else "it has none"
            report.add("RS216", (*at, "name"), f'the pod has no volume "{name}"', there)
        if not mount_path:
            report.add("RS216", (*at, "mountPath"), "required: where the volume is mounted")
        elif mount_path in mount_paths:
            report.add("RS212", (*at, "mountPath"), f"{mount_path} is taken by another mount")
        mount_paths.add(mount_path)
