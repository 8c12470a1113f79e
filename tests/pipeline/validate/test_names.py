"""Names, labels, annotations and selectors of every rendered object, by either validator."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from renderer.pipeline.validate import names
from renderer.pipeline.validate.manifests import validate
from renderer.pipeline.validate.removed import REMOVED
from renderer.pipeline.validate.schemas import kubernetes_versions, strict_folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["kubeconform", "built-in"])
def validator(request: pytest.FixtureRequest, kubeconform: str) -> str:
    return kubeconform if request.param == "kubeconform" else "built-in"


def found(body: dict[str, Any], validator: str, cache: Path, version: str = "1.34") -> list[tuple[str, str]]:
    validation = validate({"rendered/web.yaml": json.dumps(body)}, version, kubeconform=validator, cache=cache)
    return [(finding.field, finding.message.partition(":")[0]) for finding in validation.findings]


def body(kind: str, *, name: str = "web", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    api_version, _, kind = kind.rpartition("/")
    result = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}}
    return result if spec is None else {**result, "spec": spec}


INGRESS = "networking.k8s.io/v1/Ingress"
SPLIT = "split.smi-spec.io/v1alpha1/TrafficSplit"
PORTS = [{"port": 80}]
JOB = {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}
CRON = {"schedule": "* * * * *", "jobTemplate": JOB}
BACKENDS = {"service": "web", "backends": [{"service": "web", "weight": "1"}]}


@pytest.mark.parametrize(
    ("subject", "field", "message"),
    [
        (body("v1/Service", name="1-web", spec={"ports": PORTS}), "metadata.name", "is not a valid name"),
        (body("v1/Service", name="x" * 64, spec={"ports": PORTS}), "metadata.name", "is not a valid name"),
        (body("v1/Service", name="web.v2", spec={"ports": PORTS}), "metadata.name", "is not a valid name"),
        (body("v1/Namespace", name="web.v2"), "metadata.name", "is not a valid name"),
        (body("v1/ConfigMap", name="Web"), "metadata.name", "is not a valid name"),
        (body("v1/ConfigMap", name="x" * 254), "metadata.name", "is too large (maxLength is 253)"),
        (body("rbac.authorization.k8s.io/v1/Role", name="a/b"), "metadata.name", "is not a valid name"),
        (body("batch/v1/CronJob", name="x" * 53, spec={}), "metadata.name", "is too large (maxLength is 52)"),
        (body(SPLIT, name="Web", spec=BACKENDS), "metadata.name", "is not a valid name"),
        (body(SPLIT, labels={"a": "b c"}, spec=BACKENDS), "metadata.labels.a", "is not a valid label value"),
        (body("example.com/v1/Thing", name="Web"), "metadata.name", "is not a valid name"),
        (body("example.com/v1/Thing", labels={"a b": "c"}), "metadata.labels.a b", "is not a valid label"),
        (body("v1/ConfigMap", annotations={"a/b/c": "x"}), "metadata.annotations.a/b/c", "is not a valid annotation"),
        (body("v1/ConfigMap", labels={"a/b/c": "x"}), "metadata.labels.a/b/c", "is not a valid label"),
        (body("v1/ConfigMap", labels={"A.b/c": "x"}), "metadata.labels.A.b/c", "is not a valid label"),
        (body("v1/ConfigMap", labels={"a": "-x"}), "metadata.labels.a", "is not a valid label value"),
        (body("v1/ConfigMap", labels={"a": "x" * 64}), "metadata.labels.a", "is not a valid label value"),
        (
            body("v1/Service", spec={"ports": PORTS, "selector": {"app": "a b"}}),
            "spec.selector.app",
            "is not a valid label value",
        ),
        (
            body("policy/v1/PodDisruptionBudget", spec={"selector": {"matchLabels": {"a/b/c": "x"}}}),
            "spec.selector.matchLabels.a/b/c",
            "is not a valid label",
        ),
        (
            body(
                "policy/v1/PodDisruptionBudget",
                spec={"selector": {"matchExpressions": [{"key": "app", "operator": "Is"}]}},
            ),
            "spec.selector.matchExpressions[0].operator",
            "is 'Is', expected 'In' or 'NotIn' or 'Exists' or 'DoesNotExist'",
        ),
    ],
)
def test_what_the_api_server_refuses_is_found(
    subject: dict[str, Any], field: str, message: str, validator: str, cache: Path
):
    assert (field, message) in found(subject, validator, cache)


@pytest.mark.parametrize(
    "subject",
    [
        body("v1/Service", name="x" * 63, spec={"ports": PORTS, "selector": {"app.kubernetes.io/name": "Web_1.0"}}),
        body("v1/ConfigMap", name="1.web.v2", namespace="", labels={"a": "", "b.c/D_e.f": "G-h"}),
        body("v1/ConfigMap", annotations={"Example.com/Note": "any: text, a/b/c", "x" * 63: ""}),
        body("rbac.authorization.k8s.io/v1/ClusterRole", name="system:node"),
        body("v1/Namespace", name="1st"),
        body("batch/v1/CronJob", name="x" * 52, spec=CRON),
        body("example.com/v1/Thing", labels={"a.b/c": "d"}),
    ],
)
@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_what_the_api_server_takes_is_left_alone(subject: dict[str, Any], version: str, validator: str, cache: Path):
    assert found(subject, validator, cache, version) == []


@pytest.mark.parametrize(
    ("kind", "version", "served"),
    [
        ("autoscaling/v2beta2/HorizontalPodAutoscaler", "1.34", False),
        ("autoscaling/v2beta2/HorizontalPodAutoscaler", "1.25", True),
        ("policy/v1beta1/PodDisruptionBudget", "1.25", False),
        ("networking.k8s.io/v1beta1/Ingress", "1.25", False),
        ("flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema", "1.31", True),
        ("flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema", "1.32", False),
        ("autoscaling/v3/HorizontalPodAutoscaler", "1.34", True),
    ],
)
def test_what_kubernetes_no_longer_serves_is_refused(
    kind: str, version: str, served: bool, validator: str, cache: Path
):
    refused = [field for field, message in found(body(kind), validator, cache, version) if "has served no" in message]
    assert refused == ([] if served else ["apiVersion"])


def test_no_kind_is_removed_that_a_version_has():
    for version in kubernetes_versions():
        minor = int(version.partition(".")[2])
        kinds = {
            (f"{item['group']}/{item['version']}", item["kind"])
            for path in strict_folder(version).glob("*-*.json")
            for item in json.loads(path.read_bytes()).get("x-kubernetes-group-version-kind", [])
        }
        gone = {key for key, removal in REMOVED.items() if int(removal.version.partition(".")[2]) <= minor}
        assert not gone & kinds
        late = {key for key, removal in REMOVED.items() if int(removal.version.partition(".")[2]) == minor + 1}
        assert minor == 37 or late <= kinds


def test_every_pattern_has_words():
    patterns = {value for name, value in vars(names).items() if name.isupper() and str(value).startswith("^")}
    assert patterns == set(names.WORDS)
    assert all(re.compile(pattern) for pattern in patterns)
