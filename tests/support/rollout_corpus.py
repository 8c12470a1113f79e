"""``python -m tests.support.rollout_corpus``: Rollouts with one mistake each, or none.

It prints a line of JSON for each: its name, the Rollout, and the objects that it refers to if these are wrong.

Every field of the Rollouts in ``BASES`` is removed, and set to every value of its type in ``VALUES``.  The results are
validated by the controller (``tests/data/validation``) and by ``renderer.rollouts.checks``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

INTEGERS = (-1, 0, 1, 101, 70000)
TEXTS = ("", "0", "-1", "50%", "150%", "10m", "a b", "UPPER", "x" * 64, "x" * 254, "a/b", "/a/../b", "no-such-name")
VALUES: dict[type, tuple[Any, ...]] = {int: INTEGERS, str: TEXTS, bool: (True, False), dict: ({},), list: ([],)}
EITHER = {"maxSurge", "maxUnavailable", "duration", "port", "partition", "targetPort"}
"""Fields that take a number or text."""

Path = tuple[str | int, ...]

TWICE = "twice"
AWAY = "away"


def _probe(**how: Any) -> dict[str, Any]:
    return {
        "initialDelaySeconds": 1,
        "periodSeconds": 5,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
        **how,
    }


POD: dict[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["a.example.com"], "options": [{"name": "ndots"}]},
    "serviceAccountName": "web",
    "hostname": "web",
    "subdomain": "pods",
    "nodeSelector": {"disk": "ssd"},
    "schedulerName": "default-scheduler",
    "priorityClassName": "high",
    "imagePullSecrets": [{"name": "pull"}],
    "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["db.example.com"]}],
    "tolerations": [{"key": "a", "operator": "Equal", "value": "b", "effect": "NoExecute", "tolerationSeconds": 10}],
    "securityContext": {
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "runAsNonRoot": True,
        "sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}],
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 10, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}
            ],
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 10,
                    "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}},
                }
            ],
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]},
                }
            ],
        },
    },
    "volumes": [
        {"name": "empty", "emptyDir": {"sizeLimit": "1Gi"}},
        {
            "name": "config",
            "configMap": {"name": "web", "items": [{"key": "a", "path": "a/b", "mode": 420}], "defaultMode": 420},
        },
        {"name": "secret", "secret": {"secretName": "web", "items": [{"key": "a", "path": "b"}]}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "web"}},
        {"name": "host", "hostPath": {"path": "/var/log", "type": "Directory"}},
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"configMap": {"name": "web", "items": [{"key": "a", "path": "a"}]}},
                    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600, "audience": "a"}},
                    {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                ]
            },
        },
        {"name": "down", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    ],
    "initContainers": [{"name": "first", "image": "registry.example.com/first:1", "command": ["true"]}],
    "containers": [
        {
            "name": "main",
            "image": "registry.example.com/web:1",
            "imagePullPolicy": "IfNotPresent",
            "workingDir": "/srv",
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "ports": [
                {"name": "http", "containerPort": 8080, "protocol": "TCP"},
                {"name": "admin", "containerPort": 8081, "hostPort": 8081},
            ],
            "env": [
                {"name": "A", "value": "a"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "c"}}},
                {"name": "D", "valueFrom": {"secretKeyRef": {"name": "web", "key": "d"}}},
                {"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1"}}},
            ],
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "web"}}, {"secretRef": {"name": "web"}}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
            "volumeMounts": [
                {"name": "empty", "mountPath": "/var/a"},
                {"name": "config", "mountPath": "/etc/a", "subPath": "a"},
                {"name": "secret", "mountPath": "/etc/b", "readOnly": True},
            ],
            "livenessProbe": _probe(httpGet={"path": "/live", "port": "http", "scheme": "HTTP"}),
            "readinessProbe": _probe(tcpSocket={"port": 8080}),
            "startupProbe": _probe(exec={"command": ["true"]}, terminationGracePeriodSeconds=5),
            "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}, "postStart": {"httpGet": {"port": 8080}}},
            "securityContext": {
                "runAsUser": 1000,
                "allowPrivilegeEscalation": False,
                "procMount": "Default",
                "capabilities": {"drop": ["ALL"]},
            },
        },
        {"name": "grpc", "image": "registry.example.com/grpc:1", "livenessProbe": _probe(grpc={"port": 9000})},
    ],
}

PLAIN_POD = {"containers": [{"name": "main", "image": "registry.example.com/web:1"}]}


def _rollout(strategy: dict[str, Any], pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 5,
            "minReadySeconds": 5,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": pod or PLAIN_POD},
            "strategy": strategy,
            **spec,
        },
    }


def _canary(**more: Any) -> dict[str, Any]:
    return {"canary": {"stableService": "stable", "canaryService": "canary", **more}}


def _steps(*steps: dict[str, Any]) -> list[dict[str, Any]]:
    return list(steps)


MATCH = [{"headerName": "Agent", "headerValue": {"exact": "Chrome"}}]
MIRROR = [{"method": {"exact": "GET"}, "path": {"prefix": "/"}, "headers": {"agent": {"regex": "a.*"}}}]
ARGS = [{"name": "a", "value": "b"}, {"name": "c", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]
ANTI_AFFINITY = {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 50}}

BASES: dict[str, dict[str, Any]] = {
    "pod": _rollout({"canary": {"steps": [{"setWeight": 20}]}}, POD),
    "expressions": _rollout(
        {"canary": {}},
        selector={
            "matchExpressions": [
                {"key": "app", "operator": "In", "values": ["web"]},
                {"key": "tier", "operator": "Exists"},
            ]
        },
    ),
    "canary": _rollout(
        _canary(
            maxSurge="25%",
            maxUnavailable=0,
            minPodsPerReplicaSet=1,
            abortScaleDownDelaySeconds=30,
            scaleDownDelayRevisionLimit=2,
            canaryMetadata={"labels": {"role": "canary"}, "annotations": {"a": "b"}},
            stableMetadata={"labels": {"role": "stable"}},
            antiAffinity=ANTI_AFFINITY,
            steps=_steps({"setWeight": 20}, {"pause": {"duration": "10m"}}, {"pause": {}}, {"setWeight": 100}),
            analysis={"templates": [{"templateName": "ok"}], "startingStep": 1, "args": ARGS},
        )
    ),
    "required": _rollout(
        _canary(antiAffinity={"requiredDuringSchedulingIgnoredDuringExecution": {}}, dynamicStableScale=False)
    ),
    "nginx": _rollout(
        _canary(
            scaleDownDelaySeconds=30,
            trafficRouting={
                "maxTrafficWeight": 1000,
                "nginx": {
                    "stableIngress": "web",
                    "annotationPrefix": "a.io",
                    "additionalIngressAnnotations": {"a": "b"},
                },
            },
            steps=_steps(
                {"setWeight": 200},
                {"setCanaryScale": {"replicas": 2}},
                {"setCanaryScale": {"weight": 50}},
                {"setCanaryScale": {"matchTrafficWeight": True}},
                {"pause": {"duration": 30}},
            ),
        )
    ),
    "ingresses": _rollout(_canary(trafficRouting={"nginx": {"stableIngresses": ["one", "two"]}})),
    "istio": _rollout(
        _canary(
            dynamicStableScale=True,
            trafficRouting={
                "managedRoutes": [{"name": "headers"}, {"name": "mirror"}],
                "istio": {"virtualService": {"name": "web", "routes": ["primary"]}},
            },
            steps=_steps(
                {"setHeaderRoute": {"name": "headers", "match": MATCH}},
                {"setMirrorRoute": {"name": "mirror", "percentage": 50, "match": MIRROR}},
                {
                    "experiment": {
                        "duration": "5m",
                        "templates": [{"name": "a", "specRef": "canary", "weight": 5, "replicas": 1}],
                        "analyses": [{"name": "x", "templateName": "ok", "args": ARGS}],
                    }
                },
                {"analysis": {"templates": [{"templateName": "ok"}], "args": ARGS}},
                {"plugin": {"name": "org/plugin"}},
            ),
        )
    ),
    "subsets": _rollout(
        {
            "canary": {
                "trafficRouting": {
                    "istio": {
                        "virtualServices": [{"name": "web"}, {"name": "api"}],
                        "destinationRule": {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"},
                    }
                }
            }
        }
    ),
    "alb": _rollout(
        _canary(
            trafficRouting={
                "managedRoutes": [{"name": "headers"}],
                "alb": {
                    "ingress": "web",
                    "servicePort": 80,
                    "rootService": "root",
                    "annotationPrefix": "a.io",
                    "stickinessConfig": {"enabled": True, "durationSeconds": 60},
                },
            },
            steps=_steps({"setHeaderRoute": {"name": "headers", "match": MATCH}}),
        )
    ),
    "ping-pong": _rollout(
        {
            "canary": {
                "pingPong": {"pingService": "ping", "pongService": "pong"},
                "trafficRouting": {"alb": {"ingress": "web", "servicePort": 80, "rootService": "root"}},
            }
        }
    ),
    "ping-pong-istio": _rollout(
        {
            "canary": {
                "pingPong": {"pingService": "ping", "pongService": "pong"},
                "trafficRouting": {"istio": {"virtualService": {"name": "web"}}},
            }
        }
    ),
    **{
        router: _rollout(
            _canary(
                trafficRouting={router: body},
                steps=_steps(
                    {"setWeight": 20}, {"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}}
                ),
            )
        )
        for router, body in {
            "smi": {"rootService": "root", "trafficSplitName": "web"},
            "plugins": {"org/plugin": {"a": "b"}},
        }.items()
    },
    **{
        router: _rollout(_canary(trafficRouting={router: body}, steps=_steps({"setWeight": 20})))
        for router, body in {
            "traefik": {"weightedTraefikServiceName": "web"},
            "ambassador": {"mappings": ["web"]},
            "appMesh": {
                "virtualService": {"name": "web"},
                "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "a"}, "stableVirtualNodeRef": {"name": "b"}},
            },
        }.items()
    },
    "apisix": _rollout(
        _canary(
            trafficRouting={
                "managedRoutes": [{"name": "headers"}],
                "apisix": {"route": {"name": "web", "rules": ["a"]}},
            },
            steps=_steps({"setWeight": 20}, {"setHeaderRoute": {"name": "headers", "match": MATCH}}),
        )
    ),
    "blueGreen": _rollout(
        {
            "blueGreen": {
                "activeService": "active",
                "previewService": "preview",
                "previewReplicaCount": 1,
                "autoPromotionEnabled": False,
                "autoPromotionSeconds": 30,
                "maxUnavailable": "25%",
                "scaleDownDelaySeconds": 30,
                "scaleDownDelayRevisionLimit": 2,
                "abortScaleDownDelaySeconds": 30,
                "antiAffinity": ANTI_AFFINITY,
                "activeMetadata": {"labels": {"role": "active"}},
                "previewMetadata": {"labels": {"role": "preview"}},
                "prePromotionAnalysis": {"templates": [{"templateName": "ok"}], "args": ARGS},
            }
        }
    ),
}


def _init(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "first", "image": "registry.example.com/first:1", **more}]


_POD: Path = ("spec", "template", "spec")
_MAIN: Path = (*_POD, "containers", 0)
_CANARY: Path = ("spec", "strategy", "canary")
_GET = {"httpGet": {"port": 80}}
TOGETHER: tuple[tuple[str, Path, Any], ...] = (
    ("pod", (*_POD, "volumes", 0), {"name": "empty", "emptyDir": {}, "hostPath": {"path": "/a"}}),
    ("pod", (*_POD, "volumes", 0), {"name": "empty", "configMap": {"name": "a"}, "secret": {"secretName": "a"}}),
    ("pod", (*_POD, "volumes", 0), {"name": "empty", "nfs": {}}),
    ("pod", (*_POD, "volumes", 0), {"name": "empty", "csi": {"driver": ""}}),
    (
        "pod",
        (*_POD, "volumes", 5, "projected", "sources", 0, "secret"),
        {"name": "a", "items": [{"key": "a", "path": "b"}]},
    ),
    (
        "pod",
        (*_POD, "volumes", 5, "projected", "sources", 2, "downwardAPI", "items", 0, "resourceFieldRef"),
        {"containerName": "main", "resource": "limits.cpu"},
    ),
    (
        "pod",
        (*_POD, "volumes", 6, "downwardAPI", "items", 0),
        {"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}},
    ),
    ("pod", (*_POD, "volumes", 6, "downwardAPI", "items", 0, "fieldRef", "fieldPath"), "metadata.labels['app']"),
    ("pod", (*_POD, "volumes", 6, "downwardAPI", "items", 0, "fieldRef", "fieldPath"), "metadata.labels['a b']"),
    ("pod", (*_POD, "volumes", 6, "downwardAPI", "items", 0, "fieldRef", "fieldPath"), "status.podIP"),
    ("pod", (*_POD, "dnsConfig", "nameservers"), ["10.0.0.1", "10.0.0.2", "::1", "10.0.0.4"]),
    ("pod", (*_POD, "dnsConfig", "searches"), [f"a{number}.example.com" for number in range(33)]),
    ("pod", (*_POD, "hostNetwork"), True),
    ("pod", (*_POD, "hostAliases", 0, "ip"), "010.1.2.3"),
    ("pod", (*_POD, "securityContext", "seccompProfile"), {"type": "Localhost"}),
    ("pod", (*_POD, "securityContext", "seccompProfile"), {"type": "RuntimeDefault", "localhostProfile": "a"}),
    ("pod", (*_POD, "securityContext", "supplementalGroups"), [-1]),
    ("pod", (*_POD, "initContainers"), _init(livenessProbe=_probe(**_GET))),
    ("pod", (*_POD, "initContainers"), _init(livenessProbe=_probe(**_GET), restartPolicy="Always")),
    ("pod", (*_POD, "initContainers"), _init(lifecycle={"preStop": _GET})),
    ("pod", (*_POD, "initContainers"), _init(ports=[{"containerPort": 80, "hostPort": 80}] * 2)),
    ("pod", (*_POD, "tolerations", 0), {"operator": "Exists"}),
    ("pod", (*_POD, "tolerations", 0), {"key": "a", "operator": "Exists", "value": "b"}),
    ("pod", (*_POD, "tolerations", 0), {"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 5}),
    ("pod", (*_POD, "topologySpreadConstraints", 0, "minDomains"), 0),
    (
        "pod",
        (*_POD, "topologySpreadConstraints", 0),
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2},
    ),
    ("pod", (*_POD, "topologySpreadConstraints", 0, "nodeTaintsPolicy"), "Maybe"),
    *(
        (
            "pod",
            (
                *_POD,
                "affinity",
                "nodeAffinity",
                "requiredDuringSchedulingIgnoredDuringExecution",
                "nodeSelectorTerms",
                0,
                "matchExpressions",
                0,
            ),
            {"key": "zone", "operator": operator, "values": values},
        )
        for operator in ("NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
        for values in ([], ["5"], ["5", "6"])
    ),
    ("pod", (*_MAIN, "env", 1, "value"), "a"),
    ("pod", (*_MAIN, "env", 1, "valueFrom", "secretKeyRef"), {"name": "a", "key": "b"}),
    ("pod", (*_MAIN, "env", 1, "valueFrom", "fieldRef", "fieldPath"), "metadata.annotations['a/b']"),
    ("pod", (*_MAIN, "env", 1, "valueFrom", "fieldRef", "fieldPath"), "metadata.annotations['a b']"),
    ("pod", (*_MAIN, "env", 1, "valueFrom", "fieldRef", "fieldPath"), "metadata.labels"),
    ("pod", (*_MAIN, "env", 1, "valueFrom", "fieldRef", "fieldPath"), "spec.nodeName['a']"),
    ("pod", (*_MAIN, "env", 4, "valueFrom", "resourceFieldRef"), {"resource": "limits.memory", "divisor": "1Mi"}),
    ("pod", (*_MAIN, "env", 4, "valueFrom", "resourceFieldRef"), {"resource": "limits.memory", "divisor": "3"}),
    ("pod", (*_MAIN, "envFrom", 0, "secretRef"), {"name": "a"}),
    ("pod", (*_MAIN, "livenessProbe", "tcpSocket"), {"port": 80}),
    ("pod", (*_MAIN, "livenessProbe", "httpGet", "httpHeaders"), [{"name": "a b", "value": ""}]),
    ("pod", (*_MAIN, "readinessProbe", "terminationGracePeriodSeconds"), 5),
    ("pod", (*_MAIN, "lifecycle", "preStop", "httpGet"), {"port": 80}),
    ("pod", (*_MAIN, "ports", 0, "hostPort"), 8081),
    ("pod", (*_MAIN, "resources", "requests", "cpu"), "1500m"),
    ("pod", (*_MAIN, "resources", "requests", "cpu"), 1),
    ("pod", (*_MAIN, "resources", "limits", "disk"), "1"),
    ("pod", (*_MAIN, "resources", "limits", "a.example.com/gpu"), "1"),
    ("pod", (*_MAIN, "resources", "requests", "a.example.com/gpu"), "1"),
    ("pod", (*_MAIN, "resources"), {"limits": {"a.b/gpu": "2"}, "requests": {"a.b/gpu": "1"}}),
    ("pod", (*_MAIN, "resources"), {"limits": {"cpu": "1e-1"}, "requests": {"cpu": "0.1"}}),
    ("pod", (*_MAIN, "volumeMounts", 0, "mountPropagation"), "Sideways"),
    ("pod", (*_MAIN, "volumeMounts", 1, "subPathExpr"), "$(A)"),
    ("pod", (*_MAIN, "volumeMounts", 0, "mountPath"), "/etc/a"),
    ("pod", (*_MAIN, "image"), " "),
    ("pod", (*_POD, "activeDeadlineSeconds"), 5),
    ("pod", (*_POD, "restartPolicy"), "OnFailure"),
    ("canary", ("spec", "template", "metadata", "annotations"), {"a b": "c"}),
    ("canary", ("spec", "template", "metadata", "labels", "a b"), "c"),
    ("canary", ("spec", "progressDeadlineSeconds"), 5),
    ("canary", (*_CANARY, "canaryService"), "stable"),
    ("canary", (*_CANARY, "maxSurge"), "0%"),
    ("canary", (*_CANARY, "scaleDownDelaySeconds"), 5),
    ("canary", (*_CANARY, "dynamicStableScale"), True),
    ("canary", (*_CANARY, "antiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"), {}),
    ("canary", (*_CANARY, "steps", 0, "pause"), {}),
    ("canary", (*_CANARY, "steps", 0, "setHeaderRoute"), {"name": "a"}),
    ("canary", (*_CANARY, "steps", 0, "setMirrorRoute"), {"name": "a", "match": [{"path": {}}]}),
    ("canary", (*_CANARY, "steps", 0), {"setCanaryScale": {"replicas": 1}}),
    (
        "canary",
        (*_CANARY, "steps", 0),
        {"experiment": {"templates": [{"name": "a", "specRef": "stable", "weight": 5}]}},
    ),
    ("nginx", (*_CANARY, "dynamicStableScale"), True),
    ("nginx", (*_CANARY, "trafficRouting", "nginx", "stableIngresses"), ["one"]),
    ("nginx", (*_CANARY, "pingPong"), {"pingService": "a", "pongService": "b"}),
    ("istio", (*_CANARY, "trafficRouting", "maxTrafficWeight"), 1000),
    ("istio", (*_CANARY, "trafficRouting", "istio", "virtualServices"), [{"name": "a"}]),
    ("istio", (*_CANARY, "steps", 0, "setHeaderRoute", "name"), "mirror"),
    ("istio", (*_CANARY, "steps", 0, "setHeaderRoute", "match", 0, "headerValue", "regex"), "a"),
    ("istio", (*_CANARY, "steps", 1, "setMirrorRoute", "match", 0, "path", "exact"), "a"),
    *(
        ("istio", (*_CANARY, "steps", 3, "analysis", "args", 1, "valueFrom", "fieldRef", "fieldPath"), shown)
        for shown in (
            "metadata.name",
            "metadata.labels",
            "metadata.annotations['a']",
            "metadata.foo",
            "spec.foo",
            "metadata",
            "metadata.namespace",
            "metadata.uid",
            "metadata.labels['a b']",
            "metadata.name['a']",
        )
    ),
    (
        "istio",
        (*_CANARY, "steps", 2, "experiment", "analyses", 0, "args", 1, "valueFrom", "fieldRef", "fieldPath"),
        "metadata.foo",
    ),
    ("alb", (*_CANARY, "trafficRouting", "alb", "ingresses"), ["one"]),
    ("alb", (*_CANARY, "steps", 0, "setHeaderRoute", "match", 0, "headerValue"), {"prefix": "a"}),
    ("blueGreen", ("spec", "strategy", "blueGreen", "previewService"), "active"),
    ("blueGreen", ("spec", "strategy", "blueGreen", "scaleDownDelayRevisionLimit"), 6),
    ("blueGreen", ("spec", "workloadRef"), {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}),
)
"""Values whose validity depends on other fields: for a Rollout of ``BASES``, values by path."""


def _object(api_version: str, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def _service(name: str, selector: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return _object("v1", "Service", name, {"selector": selector}, **metadata)


def _ingress(name: str, *backends: str) -> dict[str, Any]:
    paths = [{"backend": {"service": {"name": backend, "port": {"number": 80}}}} for backend in backends]
    return _object("networking.k8s.io/v1", "Ingress", name, {"rules": [{"http": {"paths": paths}}]})


def _virtual_service(name: str, **routes: Any) -> dict[str, Any]:
    return _object("networking.istio.io/v1", "VirtualService", name, routes)


def _route(*destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**more, "route": [{"destination": destination} for destination in destinations]}


def _analysis(name: str, metrics: list[dict[str, Any]], *args: dict[str, Any]) -> dict[str, Any]:
    return _object("argoproj.io/v1alpha1", "AnalysisTemplate", name, {"metrics": metrics, "args": list(args)})


def _analysed(*templates: str, where: str = "step", args: Any = ()) -> dict[str, Any]:
    analysis = {"templates": [{"templateName": name} for name in templates], "args": list(args)}
    if where == "step":
        return _rollout({"canary": {"steps": [{"setWeight": 20}, {"analysis": analysis}]}})
    if where == "background":
        return _rollout({"canary": {"analysis": analysis}})
    return _rollout({"blueGreen": {"activeService": "active", where: analysis}})


def _mesh_router(*routes: Any) -> list[dict[str, Any]]:
    provider = {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "router"}}}}
    return [
        _object("appmesh.k8s.aws/v1beta2", "VirtualService", "web", provider),
        _object("appmesh.k8s.aws/v1beta2", "VirtualRouter", "router", {"routes": list(routes)} if routes else {}),
    ]


_STABLE, _CANARY_HOST = {"host": "stable"}, {"host": "canary.default.svc.cluster.local"}
_BOTH = _route(_STABLE, _CANARY_HOST)
_ONE_METRIC = {"name": "a", "provider": {"web": {"url": "https://a.example.com", "jsonPath": "{$.a}"}}}
_ENDLESS = {**_ONE_METRIC, "interval": "1m"}
_ISTIO: Path = (*_CANARY, "trafficRouting", "istio", "virtualService")
_TARGETS = {"weightedTargets": [{"weight": 100}, {"weight": 0}]}


def references() -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """Yield valid Rollouts with valid and invalid objects that they refer to."""
    labels: tuple[dict[str, str], ...] = (
        {"app": "web"},
        {"app": "web", "rollouts-pod-template-hash": "5b6c"},
        {"app": "other"},
        {"tier": "back"},
        {},
    )
    managed: tuple[dict[str, str], ...] = (
        {},
        {"argo-rollouts.argoproj.io/managed-by-rollouts": "web"},
        {"argo-rollouts.argoproj.io/managed-by-rollouts": "other"},
    )
    for base, names in (
        ("canary", ("stable", "canary")),
        ("blueGreen", ("active", "preview")),
        ("ping-pong", ("ping", "pong")),
    ):
        for name in names:
            for selector in labels:
                for owner in managed:
                    told = f"{base}: Service {name}: {json.dumps(selector)} {json.dumps(owner)}"
                    yield told, BASES[base], [_service(name, selector, annotations=owner)]
    for base, name, backend in (
        ("nginx", "web", "stable"),
        ("ingresses", "two", "stable"),
        ("alb", "web", "root"),
        ("ping-pong", "web", "root"),
    ):
        for backends in ((backend,), ("other", backend), ("other",), ()):
            yield f"{base}: Ingress {name}: {backends}", BASES[base], [_ingress(name, *backends)]
    for told, rollout, routes in _virtual_services():
        yield f"istio: VirtualService: {told}", rollout, [_virtual_service("web", **routes)]
    for weight in (None, 0, 5):
        spec = {"prefix": "/", "service": "stable"} | ({} if weight is None else {"weight": weight})
        yield (
            f"ambassador: Mapping: {weight}",
            BASES["ambassador"],
            [_object("getambassador.io/v3alpha1", "Mapping", "web", spec)],
        )
    for mesh in (
        (),
        ({"name": "a", "httpRoute": {"action": _TARGETS}},),
        ({"name": "a", "tcpRoute": {"action": _TARGETS}},),
        ({"name": "a", "http2Route": {}},),
        ({"name": "a", "grpcRoute": {"action": {"weightedTargets": [{}]}}},),
    ):
        yield f"appMesh: VirtualRouter: {json.dumps(mesh)}", BASES["appMesh"], _mesh_router(*mesh)
    yield from _analyses()


def _virtual_services() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    named, subsets = BASES["istio"], BASES["subsets"]
    plain = _changed(named, (*_ISTIO, "routes"), [])
    cases: dict[str, dict[str, Any]] = {
        "nothing": {},
        "both": {"http": [_BOTH]},
        "named": {"http": [{**_BOTH, "name": "primary"}]},
        "another name": {"http": [{**_BOTH, "name": "other"}]},
        "two": {"http": [{**_BOTH, "name": "primary"}, {**_BOTH, "name": "other"}]},
        "two, one managed": {"http": [{**_BOTH, "name": "headers"}, _BOTH]},
        "no canary": {"http": [_route(_STABLE, name="primary")]},
        "no stable": {"http": [_route(_CANARY_HOST, name="primary")]},
        "no route": {"http": [{"name": "primary"}]},
        "empty": {"http": []},
        "text": {"http": ["a"]},
        "tls": {"tls": [{**_BOTH, "match": [{"port": 443, "sniHosts": ["a.example.com"]}]}]},
        "tls without canary": {"tls": [_route(_STABLE)]},
        "two of tls": {"tls": [_BOTH, _BOTH]},
        "tcp": {"tcp": [{**_BOTH, "match": [{"port": 3306}]}]},
        "two of tcp": {"tcp": [_BOTH, _BOTH]},
        "subsets": {"http": [_route({"host": "web", "subset": "stable"}, {"host": "web", "subset": "canary"})]},
        "one subset": {"http": [_route({"host": "web", "subset": "stable"})]},
        "the other subset": {"http": [_route({"host": "web", "subset": "canary"})]},
    }
    for told, routes in cases.items():
        for kind, rollout in (("named", named), ("plain", plain), ("subsets", subsets)):
            yield f"{kind}: {told}", rollout, routes
    for key, protocol, match in (
        ("tlsRoutes", "tls", {"port": 443, "sniHosts": ["a.example.com"]}),
        ("tcpRoutes", "tcp", {"port": 3306}),
    ):
        rollout = _changed(plain, (*_ISTIO, key), [match])
        for wanted in (match, {**match, "port": 1}):
            yield f"{protocol} by port: {wanted['port']}", rollout, {protocol: [{**_BOTH, "match": [wanted]}, _BOTH]}


def _analyses() -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    value, shown = {"name": "x", "value": "1"}, {"name": "x", "valueFrom": {"podTemplateHashValue": "Latest"}}
    secret = {"name": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    cases: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
        "right": ([_analysis("ok", [_ONE_METRIC])], []),
        "no value": ([_analysis("ok", [_ONE_METRIC], {"name": "x"})], []),
        "a value": ([_analysis("ok", [_ONE_METRIC], {"name": "x"})], [value]),
        "a hash": ([_analysis("ok", [_ONE_METRIC], {"name": "x"})], [shown]),
        "another value": ([_analysis("ok", [_ONE_METRIC], {"name": "x"})], [{"name": "y", "value": "1"}]),
        "its own value": ([_analysis("ok", [_ONE_METRIC], value)], []),
        "a Secret": ([_analysis("ok", [_ONE_METRIC], secret)], []),
        "value and Secret": ([_analysis("ok", [_ONE_METRIC], {**secret, "value": "1"})], []),
        "endless": ([_analysis("ok", [_ENDLESS])], []),
        "counted": ([_analysis("ok", [{**_ENDLESS, "count": 3}])], []),
        "counted in text": ([_analysis("ok", [{**_ENDLESS, "count": "3"}])], []),
        "counted 0": ([_analysis("ok", [{**_ENDLESS, "count": 0}])], []),
        "counted by an argument": (
            [_analysis("ok", [{**_ENDLESS, "count": "{{args.x}}"}], {**value, "value": "3"})],
            [],
        ),
        "two": ([_analysis("ok", [_ONE_METRIC]), _analysis("more", [{**_ONE_METRIC, "name": "b"}])], []),
        "one metric twice": ([_analysis("ok", [_ONE_METRIC]), _analysis("more", [_ONE_METRIC])], []),
        "two values": (
            [
                _analysis("ok", [_ONE_METRIC], value),
                _analysis("more", [{**_ONE_METRIC, "name": "b"}], {**value, "value": "2"}),
            ],
            [],
        ),
    }
    for told, (templates, args) in cases.items():
        for where in ("step", "background", "prePromotionAnalysis", "postPromotionAnalysis"):
            names = [template["metadata"]["name"] for template in templates]
            yield f"analysis: {where}: {told}", _analysed(*names, where=where, args=args), templates


def corpus() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each Rollout with a name that describes the change, always in the same order."""
    for base, body in BASES.items():
        yield base, body
        for path in _paths(body["spec"], ("spec",)):
            for told, value in _values(path, _at(body, path)):
                yield f"{base}: {'.'.join(map(str, path))}: {told}", _changed(body, path, value)
            yield f"{base}: {'.'.join(map(str, path))}: {AWAY}", _changed(body, path, AWAY)
    for base, path, value in TOGETHER:
        yield f"{base}: {'.'.join(map(str, path))}: {json.dumps(value)}", _changed(BASES[base], path, value)
    strategies = {**BASES["canary"]["spec"]["strategy"], **BASES["blueGreen"]["spec"]["strategy"]}
    yield "both strategies", _rollout(strategies)
    routers = _routers()
    for base in ("nginx", "istio", "ping-pong", "canary"):
        for router, section in routers.items():
            yield (
                f"{base}: routed by {router}",
                _changed(BASES[base], ("spec", "strategy", "canary", "trafficRouting"), {router: section}),
            )


def _routers() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for body in BASES.values():
        routing = body["spec"]["strategy"].get("canary", {}).get("trafficRouting", {})
        for router, section in routing.items():
            if router not in ("managedRoutes", "maxTrafficWeight"):
                found.setdefault(router, section)
    return found


def _paths(value: Any, path: Path) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from _paths(below, (*path, key))


def _values(path: Path, old: Any) -> Iterator[tuple[str, Any]]:
    values = VALUES[type(old)]
    if path[-1] in EITHER and isinstance(old, int | str):
        values = (*INTEGERS, *TEXTS)
    for value in values:
        if value != old or type(value) is not type(old):
            yield json.dumps(value), value
    if isinstance(old, list) and old:
        yield TWICE, [*old, copy.deepcopy(old[0])]


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _changed(body: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    parent = _at(changed, path[:-1])
    if value == AWAY:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


if __name__ == "__main__":
    for name, rollout in corpus():
        print(json.dumps([name, rollout, []]))
    for name, rollout, objects in references():
        print(json.dumps([name, rollout, objects]))
