"""The rules for single fields of a pod template, as a table.

Kubernetes v1.34, ``pkg/apis/core/validation/validation.go`` after the defaults of ``pkg/apis/core/v1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from renderer.rollouts.checks import values
from renderer.rollouts.checks.report import Path, Report

CONTAINERS = ("initContainers", "containers")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("lifecycle.preStop", "lifecycle.postStart")


class Rule(Struct, frozen=True):
    """One field: ``path`` has a ``*`` for every item of a list, ``field`` is Kubernetes' name if it differs.

    A field missing from an existing parent is validated as None.
    """

    code: str
    path: str
    validate: values.Validator
    field: str = ""


def _rules_of_container() -> Iterator[Rule]:
    yield Rule("RS214", "imagePullPolicy", values.one_of("Always", "IfNotPresent", "Never"))
    yield Rule("RS214", "terminationMessagePolicy", values.one_of("File", "FallbackToLogsOnError"))
    yield Rule("RS214", "securityContext.procMount", values.one_of("Default", "Unmasked", empty=False))
    yield Rule("RS218", "securityContext.runAsUser", values.ID)
    yield Rule("RS218", "securityContext.runAsGroup", values.ID)
    yield Rule("RS215", "ports.*.hostPort", values.between(0, 65535))
    yield Rule("RS210", "env.*.name", values.required)
    yield Rule("RS211", "env.*.name", values.ENV_NAME)
    yield Rule("RS219", "env.*.valueFrom.fieldRef.fieldPath", values.field_path(volume=False))
    yield Rule("RS219", "env.*.valueFrom.fieldRef.fieldPath", values.subscript, "env.*.valueFrom.fieldRef")
    yield Rule("RS219", "env.*.valueFrom.resourceFieldRef.resource", values.resource)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        yield Rule("RS211", f"env.*.valueFrom.{kind}.name", lambda name: values.SUBDOMAIN(name or ""))
        yield Rule("RS210", f"env.*.valueFrom.{kind}.key", values.required)
        yield Rule("RS211", f"env.*.valueFrom.{kind}.key", values.CONFIG_KEY)
    yield Rule("RS211", "envFrom.*.prefix", lambda prefix: values.ENV_NAME(prefix or None))
    for kind in ("configMapRef", "secretRef"):
        yield Rule("RS210", f"envFrom.*.{kind}.name", values.required)
        yield Rule("RS211", f"envFrom.*.{kind}.name", values.SUBDOMAIN)
    yield Rule("RS208", "volumeMounts.*.subPath", values.RELATIVE_PATH, "volumeMounts.subPath")
    yield Rule("RS208", "volumeMounts.*.subPathExpr", values.RELATIVE_PATH, "volumeMounts.subPathExpr")
    modes = values.one_of("None", "HostToContainer", "Bidirectional", empty=False)
    yield Rule("RS214", "volumeMounts.*.mountPropagation", modes, "volumeMounts.mountPropagation")
    for probe in PROBES:
        yield from _rules_of_probe(probe)
    for hook in HOOKS:
        yield from _rules_of_handler(hook)


def _rules_of_probe(probe: str) -> Iterator[Rule]:
    yield from _rules_of_handler(probe)
    for number in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield Rule("RS218", f"{probe}.{number}", values.at_least(0))
    grace_period = f"{probe}.terminationGracePeriodSeconds"
    if probe == "readinessProbe":
        refused = "must not be set for readinessProbes"
        yield Rule("RS218", grace_period, lambda value: refused if value is not None else "")
    else:
        yield Rule("RS218", f"{probe}.successThreshold", lambda value: values.between(1, 1)(value or 1))
        yield Rule("RS218", grace_period, values.at_least(1))


def _rules_of_handler(handler: str) -> Iterator[Rule]:
    yield Rule("RS210", f"{handler}.exec.command", values.required)
    yield Rule("RS215", f"{handler}.httpGet.port", values.port)
    yield Rule("RS214", f"{handler}.httpGet.scheme", values.one_of("HTTP", "HTTPS"))
    yield Rule("RS211", f"{handler}.httpGet.httpHeaders.*.name", values.HEADER_NAME, f"{handler}.httpGet.httpHeaders")
    yield Rule("RS215", f"{handler}.tcpSocket.port", values.port)
    yield Rule("RS215", f"{handler}.grpc.port", values.port)


def _rules_of_pod() -> Iterator[Rule]:
    yield Rule("RS214", "dnsPolicy", values.one_of("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"))
    yield Rule("RS238", "dnsConfig.nameservers.*", values.ADDRESS)
    yield Rule("RS238", "dnsConfig.searches.*", lambda name: values.SUBDOMAIN(name.rstrip(".") if name != "." else "a"))
    yield Rule("RS210", "dnsConfig.options.*.name", values.required, "dnsConfig.options[*]")
    yield Rule("RS238", "hostAliases.*.ip", lambda address: values.ADDRESS(address or ""))
    yield Rule("RS238", "hostAliases.*.hostnames.*", values.SUBDOMAIN)
    for name in ("serviceAccountName", "priorityClassName"):
        yield Rule("RS211", name, lambda value: values.SUBDOMAIN(value or None))
    for name in ("hostname", "subdomain"):
        yield Rule("RS211", name, lambda value: values.LABEL(value or None))
    for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups.*"):
        yield Rule("RS218", f"securityContext.{name}", values.ID)
    yield Rule("RS210", "securityContext.sysctls.*.name", values.required)
    yield Rule("RS211", "securityContext.sysctls.*.name", lambda name: values.SYSCTL(name or None))
    yield Rule("RS210", "securityContext.seccompProfile.type", values.required)
    profiles = values.one_of("Localhost", "RuntimeDefault", "Unconfined")
    yield Rule("RS214", "securityContext.seccompProfile.type", profiles)
    yield from _rules_of_volume()


def _rules_of_volume() -> Iterator[Rule]:
    yield Rule("RS210", "volumes.*.hostPath.path", values.required)
    yield Rule("RS208", "volumes.*.hostPath.path", values.PATH_WITHOUT_PARENT)
    kinds = ("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
    yield Rule("RS214", "volumes.*.hostPath.type", values.one_of(*kinds))
    for name in ("persistentVolumeClaim.claimName", "nfs.server", "nfs.path", "csi.driver"):
        yield Rule("RS210", f"volumes.*.{name}", values.required)
    for name in ("configMap.name", "secret.secretName"):
        yield Rule("RS210", f"volumes.*.{name}", values.required)
    for source in ("configMap", "secret", "downwardAPI", "projected"):
        yield Rule("RS218", f"volumes.*.{source}.defaultMode", values.MODE)
    for items in ("configMap", "secret", "projected.sources.*.configMap", "projected.sources.*.secret"):
        yield from _rules_of_keys(f"volumes.*.{items}.items.*")
    for source in ("configMap", "secret"):
        yield Rule("RS210", f"volumes.*.projected.sources.*.{source}.name", values.required)
    token = "volumes.*.projected.sources.*.serviceAccountToken"
    yield Rule("RS218", f"{token}.expirationSeconds", values.between(600, 2**32))
    yield Rule("RS210", f"{token}.path", values.required, "volumes.*.projected.path")
    yield Rule("RS208", f"{token}.path", values.LOCAL_PATH, "volumes.*.projected.path")
    for downward in ("volumes.*.downwardAPI", "volumes.*.projected.sources.*.downwardAPI"):
        yield from _rules_of_downward_files(downward)


def _rules_of_keys(items: str) -> Iterator[Rule]:
    yield Rule("RS210", f"{items}.key", values.required)
    yield Rule("RS210", f"{items}.path", values.required)
    yield Rule("RS208", f"{items}.path", values.LOCAL_PATH)
    yield Rule("RS218", f"{items}.mode", values.MODE)


def _rules_of_downward_files(downward: str) -> Iterator[Rule]:
    file = f"{downward}.items.*"
    yield Rule("RS210", f"{file}.path", values.required, f"{downward}.path")
    yield Rule("RS208", f"{file}.path", values.LOCAL_PATH, f"{downward}.path")
    yield Rule("RS218", f"{file}.mode", values.MODE, f"{downward}.mode")
    yield Rule("RS219", f"{file}.fieldRef.fieldPath", values.field_path(volume=True), f"{downward}.fieldRef.fieldPath")
    yield Rule("RS219", f"{file}.fieldRef.fieldPath", values.subscript, f"{downward}.fieldRef")
    yield Rule(
        "RS210", f"{file}.resourceFieldRef.containerName", values.required, f"{downward}.resourceFieldRef.containerName"
    )
    yield Rule("RS219", f"{file}.resourceFieldRef.resource", values.resource, f"{downward}.resourceFieldRef.resource")


RULES = (
    *_rules_of_pod(),
    *(
        Rule(rule.code, f"{kind}.*.{rule.path}", rule.validate, rule.field and f"{kind}.*.{rule.field}")
        for kind in CONTAINERS
        for rule in _rules_of_container()
    ),
)


def check_fields(report: Report, pod: Path) -> None:
    """Report the invalid fields below ``pod``."""
    found = sorted(_broken_rules(report.at(*pod), _TREE, ()), key=lambda broken: broken[0])
    for number, path, message in found:
        rule = RULES[number]
        report.add(rule.code, (*pod, *path), message, field=_field(rule.field, pod, path))


class _Fields:
    """The indexes of a field's rules, and the fields below it; those of a list's items are below ``*``."""

    def __init__(self) -> None:
        self.rules: list[int] = []
        self.below: dict[str, _Fields] = {}


def _tree() -> _Fields:
    tree = _Fields()
    for number, rule in enumerate(RULES):
        fields = tree
        for part in rule.path.split("."):
            fields = fields.below.setdefault(part, _Fields())
        fields.rules.append(number)
    return tree


def _broken_rules(value: Any, fields: _Fields, path: Path) -> Iterator[tuple[int, Path, str]]:
    """Yield the index of each broken rule at ``path`` or below, with the path and the message."""
    for number in fields.rules:
        message = RULES[number].validate(value)
        if message:
            yield number, path, message
    if not fields.below:
        return
    if isinstance(value, list):
        items = fields.below.get("*")
        if items is not None:
            for index, item in enumerate(value):
                yield from _broken_rules(item, items, (*path, index))
    elif isinstance(value, dict):
        for name, inner in fields.below.items():
            part = value.get(name)
            # A rule of the field itself validates a missing value as well.
            if name != "*" and (part is not None or inner.rules):
                yield from _broken_rules(part, inner, (*path, name))


def _field(template: str, pod: Path, path: Path) -> str:
    """Return Kubernetes' name of the field at ``path``; empty if that is the path."""
    if not template:
        return ""
    indexes = [str(part) for part in path if isinstance(part, int)]
    name = ".".join((*map(str, pod), template.replace("[*]", ".*")))
    for index in indexes:
        name = name.replace(".*", f"[{index}]", 1)
    return name


_TREE = _tree()
