"""The API server's defaults of a pod template (Kubernetes v1.34 ``pkg/apis/core/v1/defaults.go``).

The controller takes two templates that are equal with these defaults for the same, so spelling out a default starts no
release.  Fields that are set keep their value; an empty one counts as not set where Go's type cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renderer.kubernetes.manifest import Body

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
POD = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
    "securityContext": {},
}
CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
HTTP_GET = {"path": "/", "scheme": "HTTP"}
FIELD_REF = {"fieldRef": {"apiVersion": "v1"}}
MODE = 0o644
VOLUMES: Mapping[str, Mapping[str, Any]] = {
    "secret": {"defaultMode": MODE},
    "configMap": {"defaultMode": MODE},
    "downwardAPI": {"defaultMode": MODE},
    "projected": {"defaultMode": MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


POINTERS = (
    *("terminationGracePeriodSeconds", "securityContext", "defaultMode", "type", "service", "volumeMode"),
    *("cachingMode", "kind", "fsType", "readOnly", "expirationSeconds", "resources"),
)
"""The fields with a default that are pointers in Go: 0 and "" are values there."""


def default_pod_template(template: Body) -> dict[str, Any]:
    """Return a pod template with the defaults of the API server."""
    spec = _filled(template.get("spec") or {}, POD)
    for name in CONTAINER_LISTS:
        if spec.get(name):
            host_network = bool(spec.get("hostNetwork"))
            spec[name] = [_container(item, host_network=host_network) for item in spec[name]]
    if spec.get("volumes"):
        spec["volumes"] = [_volume(volume) for volume in spec["volumes"]]
    if spec.get("serviceAccount") and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    return {**template, "spec": spec}


def strip_pod_defaults(spec: Body) -> dict[str, Any]:
    """Return a pod's spec without the API server's defaults; a port's protocol, a default of the CRD, stays."""
    result = _without(spec, POD)
    for name in CONTAINER_LISTS:
        if result.get(name):
            result[name] = [_strip_container(item) for item in result[name]]
    if result.get("volumes"):
        result["volumes"] = [
            {
                name: _without(value, VOLUMES.get(name, {})) if isinstance(value, dict) else value
                for name, value in volume.items()
            }
            for volume in result["volumes"]
        ]
    if result.get("serviceAccount") and result["serviceAccount"] == result.get("serviceAccountName"):
        del result["serviceAccount"]
    return result


def _strip_container(container: Body) -> dict[str, Any]:
    pull_policy = _pull_policy(str(container.get("image") or ""))
    result = _without(container, {**CONTAINER, "imagePullPolicy": pull_policy, "resources": {}})
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(result.get(name), dict):
            result[name] = _without(result[name], PROBE)
            if isinstance(result[name].get("httpGet"), dict):
                result[name]["httpGet"] = _without(result[name]["httpGet"], {"scheme": "HTTP"})
    return result


def _without(value: Body, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in defaults or item != defaults[key]}


def _container(container: Body, *, host_network: bool) -> dict[str, Any]:
    pull_policy = _pull_policy(str(container.get("image") or ""))
    result = _filled(container, {**CONTAINER, "imagePullPolicy": pull_policy})
    result.setdefault("resources", {})
    if result.get("ports"):
        result["ports"] = [_port(port, host_network=host_network) for port in result["ports"]]
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if result.get(name) is not None:
            result[name] = _handler(_filled(result[name], PROBE))
    if result.get("lifecycle"):
        result["lifecycle"] = {
            name: _handler(value) if isinstance(value, dict) else value for name, value in result["lifecycle"].items()
        }
    if result.get("env"):
        result["env"] = [_env(item) for item in result["env"]]
    return result


def _pull_policy(image: str) -> str:
    """Return Always for the tag ``latest`` and for no tag, as the API server does."""
    name, _, digest = image.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    return "Always" if tag == "latest" or (not tag and not digest) else "IfNotPresent"


def _port(port: Body, *, host_network: bool) -> dict[str, Any]:
    result = _filled(port, {"protocol": "TCP"})
    if host_network and not result.get("hostPort") and "containerPort" in result:
        result["hostPort"] = result["containerPort"]
    return result


def _with_fields(value: Body, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return ``value`` with the ``defaults`` of its fields, by field; a missing or null field stays so."""
    present = {name: value[name] for name in defaults if value.get(name) is not None}
    return {**value, **{name: _filled(item, defaults[name]) for name, item in present.items()}}


def _filled(value: Body, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``value`` with the ``defaults`` of the fields that are not set."""
    given = {
        key: item
        for key, item in value.items()
        if key not in defaults or not (item is None or (item in ("", 0) and key not in POINTERS))
    }
    return {**defaults, **given}


def _handler(handler: Body) -> dict[str, Any]:
    return _with_fields(handler, {"httpGet": HTTP_GET, "grpc": {"service": ""}})


def _env(item: Body) -> Body:
    source = item.get("valueFrom")
    defaults = {**FIELD_REF, "resourceFieldRef": {"divisor": "0"}}
    return {**item, "valueFrom": _with_fields(source, defaults)} if isinstance(source, dict) else item


def _volume(volume: Body) -> dict[str, Any]:
    result = {
        name: _filled(value, VOLUMES.get(name, {})) if isinstance(value, dict) else value
        for name, value in volume.items()
    }
    if set(result) <= {"name"}:
        result["emptyDir"] = {}
    if isinstance(result.get("downwardAPI"), dict):
        result["downwardAPI"] = _downward(result["downwardAPI"])
    if isinstance(result.get("projected"), dict):
        sources = [_projection(source) for source in result["projected"].get("sources") or []]
        result["projected"] = {**result["projected"], "sources": sources}
    ephemeral = result.get("ephemeral")
    if isinstance(ephemeral, dict) and isinstance(ephemeral.get("volumeClaimTemplate"), dict):
        claim = ephemeral["volumeClaimTemplate"]
        spec = _filled(claim.get("spec") or {}, {"volumeMode": "Filesystem"})
        result["ephemeral"] = {**ephemeral, "volumeClaimTemplate": {**claim, "spec": spec}}
    return result


def _projection(source: Body) -> dict[str, Any]:
    result = dict(source)
    if isinstance(result.get("serviceAccountToken"), dict):
        result["serviceAccountToken"] = _filled(result["serviceAccountToken"], {"expirationSeconds": 3600})
    if isinstance(result.get("downwardAPI"), dict):
        result["downwardAPI"] = _downward(result["downwardAPI"])
    return result


def _downward(value: Body) -> dict[str, Any]:
    items = [
        _with_fields(item, FIELD_REF) if isinstance(item.get("fieldRef"), dict) else item
        for item in value.get("items") or []
    ]
    return {**value, "items": items} if items else dict(value)
