"""Unions, duplicates and resources of a pod template: exactly one of several fields, unique names, requests in limits.

Kubernetes v1.34, ``pkg/apis/core/validation/validation.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from renderer.kubernetes.manifest import field_path
from renderer.rollouts.checks.labels import is_qualified_name
from renderer.rollouts.checks.pod_fields import CONTAINERS, HOOKS, PROBES
from renderer.rollouts.checks.report import Path, Report, expected_one
from renderer.rollouts.pod_template.quantity import parse_quantity

HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
FILE_REFERENCES = ("fieldRef", "resourceFieldRef")
ENV_SOURCES = ("configMapRef", "secretRef")
VALUES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
VOLUMES = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "flocker", "downwardAPI", "fc", "flexVolume",
    "configMap", "azureFile", "vsphereVolume", "quobyte", "azureDisk", "storageos", "portworxVolume", "scaleIO",
    "photonPersistentDisk", "projected", "csi", "ephemeral", "image",
)  # fmt: skip
"""The kinds of volumes, in the order in which Kubernetes checks them."""

RESOURCES = ("cpu", "memory", "ephemeral-storage")
CPU_DIVISORS = ("1m", "1")
OTHER_DIVISORS = ("1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")))


def check_unions(report: Report, pod: Path) -> None:
    """Report conflicting, duplicate and missing fields below ``pod``."""
    _check_volumes(report, (*pod, "volumes"))
    _check_dns(report, pod)
    _check_seccomp(report, (*pod, "securityContext", "seccompProfile"))
    names: set[str] = set()
    for path, _ in report.mappings(*pod, "securityContext", "sysctls"):
        name = report.text(*path, "name")
        if name and name in names:
            report.add("RS212", (*path, "name"), f'there is another "{name}"')
        names.add(name)
    for kind in CONTAINERS:
        ports: list[Path] = []
        for path, container in report.mappings(*pod, kind):
            _check_variables(report, path)
            _check_handlers(report, path, container, is_init=kind == "initContainers")
            _check_resources(report, (*path, "resources"))
            for at, mount in report.mappings(*path, "volumeMounts"):
                if mount.get("subPath") and mount.get("subPathExpr"):
                    report.add("RS219", (*at, "subPathExpr"), "subPath and subPathExpr exclude each other")
            own = [(*at, "hostPort") for at, _ in report.mappings(*path, "ports")]
            ports += own
            if kind == "initContainers":
                _check_host_ports(report, own, network=bool(report.at(*pod, "hostNetwork")))
        if kind == "containers":
            _check_host_ports(report, ports, network=bool(report.at(*pod, "hostNetwork")))


def _check_volumes(report: Report, volumes: Path) -> None:
    for path, volume in report.mappings(*volumes):
        _check_single(report, path, [kind for kind in VOLUMES if volume.get(kind) is not None], "volume")
        limit = (*path, "emptyDir", "sizeLimit")
        if (_quantity(report, limit) or 0) < 0:
            report.add("RS217", limit, f"{report.at(*limit)} is negative")
        for at, _ in report.mappings(*path, "downwardAPI", "items"):
            report.expect_one("RS219", at, FILE_REFERENCES, field=field_path((*path, "downwardAPI")))
        _check_projected(report, (*path, "projected"))


def _check_projected(report: Report, projected: Path) -> None:
    shown: set[str] = set()
    for path, source in report.mappings(*projected, "sources"):
        for kind in ("secret", "configMap", "downwardAPI"):
            for at, item in report.mappings(*path, kind, "items"):
                if kind == "downwardAPI":
                    report.expect_one("RS219", at, FILE_REFERENCES, field=field_path((*path, kind)))
                where = item.get("path")
                if isinstance(where, str) and where in shown:
                    message = f"{where} is taken by another source"
                    report.add("RS212", (*at, "path"), message, field=field_path(projected))
                shown.add(str(where or ""))
            shown.discard("")
        if len([kind for kind, body in source.items() if body is not None]) > 1:
            report.add("RS219", path, f"a source is one of {', '.join(source)}")


def _check_dns(report: Report, pod: Path) -> None:
    config: Path = (*pod, "dnsConfig")
    servers = report.items(*config, "nameservers")
    if report.at(*pod, "dnsPolicy") == "None":
        if report.at(*config) is None:
            report.add("RS210", config, "required with dnsPolicy: None")
        elif not servers:
            report.add("RS210", (*config, "nameservers"), "required with dnsPolicy: None")
    if len(servers) > 3:
        report.add("RS238", (*config, "nameservers"), f"has {len(servers)} name servers, a pod can have 3")
    searches = report.items(*config, "searches")
    if len(searches) > 32:
        report.add("RS238", (*config, "searches"), f"has {len(searches)} domains, a pod can have 32")


def _check_seccomp(report: Report, path: Path) -> None:
    profile, is_local = report.at(*path, "localhostProfile"), report.at(*path, "type") == "Localhost"
    if is_local and not profile:
        report.add("RS210", (*path, "localhostProfile"), "required with type: Localhost")
    elif profile and not is_local:
        report.add("RS219", (*path, "localhostProfile"), "requires type: Localhost")


def _check_variables(report: Report, container: Path) -> None:
    for path, variable in report.mappings(*container, "env"):
        source = variable.get("valueFrom")
        if isinstance(source, dict):
            given = [kind for kind in VALUES if source.get(kind) is not None]
            if variable.get("value"):
                report.add("RS219", (*path, "valueFrom"), "may not be specified where there is a value")
            elif len(given) != 1 and source.get("fileKeyRef") is None:
                report.add("RS219", (*path, "valueFrom"), expected_one(VALUES, given))
            _check_divisor(report, (*path, "valueFrom", "resourceFieldRef"))
    for path, _ in report.mappings(*container, "envFrom"):
        report.expect_one("RS219", path, ENV_SOURCES, field=field_path((*container, "envFrom")))


def _check_divisor(report: Report, path: Path) -> None:
    divisor = _quantity(report, (*path, "divisor"))
    known = CPU_DIVISORS if report.text(*path, "resource").endswith(".cpu") else OTHER_DIVISORS
    if divisor and divisor not in map(parse_quantity, known):
        message = f"{report.at(*path, 'divisor')} is not one of {', '.join(known)}"
        report.add("RS217", (*path, "divisor"), message)


def _check_handlers(report: Report, container: Path, body: Mapping[str, Any], *, is_init: bool) -> None:
    if is_init and body.get("restartPolicy") != "Always":
        for kind in (*PROBES, "lifecycle"):
            if body.get(kind) is not None:
                message = "may not be set for init containers without restartPolicy: Always"
                report.add("RS213", (*container, kind), message)
        return
    for name in (*PROBES, *HOOKS):
        path: Path = (*container, *name.split("."))
        handler = report.at(*path)
        if isinstance(handler, dict):
            given = [kind for kind in HANDLERS if handler.get(kind) is not None]
            _check_single(report, path, given, "handler")
            if not given:
                report.add("RS219", path, f"required: one of {', '.join(HANDLERS[:4])}")


def _check_single(report: Report, path: Path, given: Sequence[str], what: str) -> None:
    for kind in given[1:]:
        report.add("RS219", (*path, kind), f"conflicts with {given[0]}: a {what} has one kind")


def _check_resources(report: Report, path: Path) -> None:
    quantities: dict[str, dict[str, Decimal]] = {"limits": {}, "requests": {}}
    for kind, found in quantities.items():
        for name in report.mapping(*path, kind):
            field = f"{field_path((*path, kind))}[{name}]"
            quantity = _quantity(report, (*path, kind, name))
            if quantity is not None:
                found[name] = quantity
                if quantity < 0:
                    report.add("RS217", (*path, kind, name), f"{report.at(*path, kind, name)} is negative", field=field)
            if not _is_resource(str(name)):
                expected = f"{', '.join(RESOURCES)}, hugepages-SIZE, or one with a domain"
                message = f'"{name}" is not a valid resource: expected {expected}'
                report.add("RS211", (*path, kind, name), message, field=field)
    for name, requested in quantities["requests"].items():
        limit = quantities["limits"].get(name)
        if limit is not None and requested > limit:
            message = f"{name}: {report.at(*path, 'requests', name)} is more than the limit of it"
            report.add("RS239", (*path, "requests", name), message, field=field_path((*path, "requests")))
        elif name not in RESOURCES and requested != limit:
            # Huge pages and devices are not shared: a request must equal its limit.
            missing = limit is None
            message = f"{name}: {'required' if missing else 'must be'} the same limit as is requested"
            place = "limits" if missing else "requests"
            report.add("RS239", (*path, "requests", name), message, field=field_path((*path, place)))


def _is_resource(name: str) -> bool:
    return name in RESOURCES or name.startswith("hugepages-") or ("/" in name and is_qualified_name(name))


def _quantity(report: Report, path: Path) -> Decimal | None:
    value = report.at(*path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return parse_quantity(str(value))
    except ValueError:
        report.add("RS401", path, f'"{value}" is not a quantity such as 500m, 2 or 128Mi')
        return None


def _check_host_ports(report: Report, ports: Sequence[Path], *, network: bool) -> None:
    taken: set[tuple[Any, ...]] = set()
    for path in ports:
        number = report.at(*path)
        port = report.mapping(*path[:-1])
        if network and number not in (None, 0, port.get("containerPort")):
            message = f"must be containerPort, {port.get('containerPort')}, with hostNetwork"
            report.add("RS215", path, message, field=field_path((*path[:-1], "containerPort")))
        if isinstance(number, int) and number:
            kind = (port.get("protocol") or "TCP", port.get("hostIP") or "", number)
            if kind in taken:
                report.add("RS212", path, f"{number} is taken by another port")
            taken.add(kind)
