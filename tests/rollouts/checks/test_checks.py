from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import load_documents, read_text
from renderer.rollouts.checks import check
from renderer.rollouts.checks.labels import is_label_value, is_qualified_name
from renderer.rollouts.checks.pod_fields import check_fields
from renderer.rollouts.checks.report import Report

DATA = Path(__file__).parents[2] / "data"
INVALID = sorted(path.stem for path in (DATA / "invalid" / "scenarios").glob("*.yaml"))
VALID = sorted((DATA / "conformance" / "scenarios").glob("*/*.yaml"))

NO_PATH_IN_THE_RECORDING = {
    "bad-quantity": "spec.template.spec.containers[0].resources.requests.cpu",
    "canary-scale-none": "spec.strategy.canary.steps[0].setCanaryScale",
    "canary-scale-two": "spec.strategy.canary.steps[0].setCanaryScale",
    "replica-progress-threshold-garbage": "spec.strategy.canary.replicaProgressThreshold.value",
    "scale-down-limit-negative": "spec.strategy.canary.abortScaleDownDelaySeconds",
    "surge-garbage": "spec.strategy.canary.maxSurge",
    "unavailable-over-100": "spec.strategy.canary.maxUnavailable",
    "workload-ref-and-template": "spec.template",
}
"""Recordings in which the controller ignores the value, or names no field."""


def findings_in(path: Path) -> list[Finding]:
    documents = load_documents(read_text(path), path.name)
    manifests = [
        Manifest(document.value, document.source) for document in documents if document.value["kind"] != "Scenario"
    ]
    (rollout,) = (manifest for manifest in manifests if manifest.kind == "Rollout")
    return check(rollout, [manifest for manifest in manifests if manifest is not rollout])


def recorded_field(name: str) -> str:
    golden = json.loads((DATA / "invalid" / "golden" / f"{name}.json").read_text(encoding="utf-8"))
    frame = golden["frames"][0]
    messages = [frame.get("rejected", "")]
    messages += [item["message"] for item in frame["status"].get("conditions", []) if item["type"] == "InvalidSpec"]
    match = re.search(r"(?<!\w)\.?((?:spec|metadata)\.[\w.\[\]]+):", " ".join(messages))
    return match.group(1) if match else ""


def test_there_are_recordings():
    assert len(INVALID) == 54
    assert len(VALID) > 80


@pytest.mark.parametrize("name", INVALID)
def test_the_field_that_the_controller_names_is_found(name: str):
    findings = findings_in(DATA / "invalid" / "scenarios" / f"{name}.yaml")
    recorded = recorded_field(name)
    assert bool(recorded) != (name in NO_PATH_IN_THE_RECORDING)
    assert (recorded or NO_PATH_IN_THE_RECORDING[name]) in {finding.field for finding in findings}
    assert all(finding.file == f"{name}.yaml" and finding.line and finding.message for finding in findings)


@pytest.mark.parametrize("path", VALID, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_the_controller_accepts_is_accepted(path: Path):
    assert findings_in(path) == []


def valid_body() -> dict[str, Any]:
    pod = {"containers": [{"name": "main", "image": "registry.example.com/web:1"}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": pod},
            "strategy": {"canary": {"steps": [{"setWeight": 20}]}},
        },
    }


def fields_of(body: dict[str, Any], *others: dict[str, Any]) -> list[str]:
    return [finding.field for finding in check(Manifest(body), [Manifest(other) for other in others])]


def test_a_plain_rollout_has_no_findings():
    assert fields_of(valid_body()) == []


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(body: dict[str, Any]) -> None:
        value: Any = body
        for part in path[:-1]:
            value = value.setdefault(part, {}) if isinstance(value, dict) else value[part]
        value[path[-1]] = to

    return apply


CANARY = ("spec", "strategy", "canary")
CONTAINER = ("spec", "template", "spec", "containers", 0)


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (change(*CANARY, "maxSurge", to="-1"), "spec.strategy.canary.maxSurge"),
        (change(*CANARY, "antiAffinity", to={}), "spec.strategy.antiAffinity"),
        (
            change(*CANARY, "antiAffinity", to={"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 0}}),
            "spec.strategy.antiAffinity.weight",
        ),
        (change(*CANARY, "trafficRouting", to={"istio": {}, "maxTrafficWeight": 10}), "spec.strategy.stableService"),
        (
            change(*CANARY, "trafficRouting", to={"smi": {}, "maxTrafficWeight": 100}),
            "spec.strategy.trafficRouting.maxTrafficWeight",
        ),
        (
            change(*CANARY, "pingPong", to={"pingService": "a", "pongService": "a"}),
            "spec.strategy.pingPong.pingService",
        ),
        (change(*CANARY, "steps", to=[{"setWeight": True}]), "spec.strategy.canary.steps[0].setWeight"),
        (change("spec", "selector", to={"matchExpressions": [{"key": "app", "operator": "Is"}]}), "operator"),
        (change("spec", "selector", to={"matchExpressions": [{"key": "app", "operator": "In"}]}), "values"),
        (
            change("spec", "selector", to={"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            "spec.template.metadata.labels",
        ),
        (change(*CONTAINER, "ports", to=[{"containerPort": 70000}]), "ports[0].containerPort"),
        (change(*CONTAINER, "ports", to=[{"containerPort": 80, "name": "HTTP"}]), "ports[0].name"),
        (change(*CONTAINER, "imagePullPolicy", to="Sometimes"), "containers[0].imagePullPolicy"),
        (change(*CONTAINER, "resources", to={"limits": {"memory": "1 Gi"}}), "resources.limits.memory"),
        (change(*CONTAINER, "name", to="Main"), "containers[0].name"),
        (change("spec", "template", "metadata", "labels", "tier", to="a b"), "spec.template.labels"),
        (change("spec", "template", "spec", "volumes", to=[{"name": "a"}, {"name": "a"}]), "volumes[1].name"),
        (
            change("spec", "template", "spec", "initContainers", to=[{"name": "main", "image": "a"}]),
            "containers[0].name",
        ),
        (change("spec", "strategy", to={"blueGreen": {"activeService": ""}}), "spec.strategy.blueGreen.activeService"),
    ],
)
def test_one_wrong_field_is_named(edit: Callable[[dict[str, Any]], None], field: str):
    body = valid_body()
    edit(body)
    assert any(found.endswith(field) for found in fields_of(body))


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "app", "operator": "In", "values": ["api", "web"]},
        {"key": "app", "operator": "NotIn", "values": ["api"]},
        {"key": "tier", "operator": "Exists"},
        {"key": "other", "operator": "DoesNotExist"},
    ],
)
def test_a_selector_with_an_expression_matches(expression: dict[str, Any]):
    body = valid_body()
    body["spec"]["selector"] = {"matchExpressions": [expression]}
    assert fields_of(body) == []


def service(name: str, **metadata: Any) -> dict[str, Any]:
    metadata = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "web"}}}


def test_a_service_in_another_namespace_is_not_the_one_and_the_hint_says_where_it_is():
    body = valid_body()
    body["spec"]["strategy"]["canary"]["stableService"] = "web"
    body["metadata"]["namespace"] = "shop"
    assert fields_of(body, service("web")) == []
    assert fields_of(body, service("web", namespace="shop")) == []
    (finding,) = check(Manifest(body), [Manifest(service("web", namespace="other"))])
    assert finding.field == "spec.strategy.canary.stableService"
    assert finding.hint == "it is in namespace other, the Rollout in namespace shop"


def test_a_service_with_a_similar_name_is_suggested():
    body = valid_body()
    body["spec"]["strategy"]["canary"]["stableService"] = "web-stabel"
    (finding,) = check(Manifest(body), [Manifest(service("web-stable"))])
    assert finding.hint == "did you mean web-stable?"


def test_a_service_that_another_rollout_manages_is_refused():
    body = valid_body()
    body["spec"]["strategy"]["canary"]["stableService"] = "web"
    annotations = {"argo-rollouts.argoproj.io/managed-by-rollouts": "api"}
    assert fields_of(body, service("web", annotations=annotations)) == ["spec.strategy.canary.stableService"]


def test_every_ingress_of_a_list_needs_a_rule_for_the_stable_service():
    body = valid_body()
    nginx = {"stableIngresses": ["one", "two"]}
    body["spec"]["strategy"]["canary"] |= {
        "stableService": "web",
        "canaryService": "next",
        "trafficRouting": {"nginx": nginx},
    }
    backend = {"backend": {"service": {"name": "web"}}}
    one = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "one"},
        "spec": {"rules": [{"http": {"paths": [backend]}}]},
    }
    two = copy.deepcopy(one)
    two["metadata"]["name"] = "two"  # type: ignore[index]  # the type of a nested literal is object
    services = (service("web"), service("next"))
    assert fields_of(body, *services, one, two) == []
    two["spec"] = {"rules": [{"host": "web.example.com"}]}
    assert fields_of(body, *services, one, two) == ["spec.strategy.canary.trafficRouting.nginx.stableIngresses"]
    assert fields_of(body, *services, one) == ["spec.strategy.canary.trafficRouting.nginx.stableIngresses"]


def test_all_findings_come_at_once_in_the_order_of_the_file():
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: Web}
spec:
  replicas: -1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
  strategy:
    canary:
      stableService: web
      steps:
      - setWeight: 120
"""
    (document,) = load_documents(text, "web.yaml")
    findings = check(Manifest(document.value, document.source), [])
    assert [(finding.line, finding.field) for finding in findings] == [
        (3, "metadata.name"),
        (5, "spec.replicas"),
        (11, "spec.template.spec.containers[0].image"),
        (14, "spec.strategy.canary.stableService"),
        (16, "spec.strategy.steps[0].setWeight"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 200) | st.sampled_from(["", "web", "25%", "10m", "nope"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "weight", "exact"]), inner),
    max_leaves=4,
)
PATHS = [
    (*CANARY, "steps"),
    (*CANARY, "trafficRouting"),
    (*CANARY, "trafficRouting", "nginx"),
    (*CANARY, "antiAffinity"),
    (*CANARY, "pingPong"),
    (*CANARY, "maxSurge"),
    CANARY,
    ("spec", "strategy"),
    ("spec", "selector"),
    ("spec", "selector", "matchExpressions"),
    ("spec", "template"),
    ("spec", "template", "metadata", "labels"),
    ("spec", "template", "spec", "containers"),
    (*CONTAINER, "ports"),
    (*CONTAINER, "volumeMounts"),
    (*CONTAINER, "resources"),
    ("spec",),
]


@given(st.sampled_from(PATHS), JSON)
def test_a_value_of_any_type_is_a_finding_or_none_but_never_an_error(path: tuple[str | int, ...], value: Any):
    body = valid_body()
    change(*path, to=value)(body)
    for finding in check(Manifest(body), []):
        assert finding.field
        assert finding.message


@pytest.mark.parametrize("key", ["app", "app.kubernetes.io/name", "a" * 63, "A_b.c-d"])
def test_names_of_labels(key: str):
    assert is_qualified_name(key)


@pytest.mark.parametrize("key", ["", "a b", "-a", "a/", "/a", "A.example.com/a", "a" * 64, "a/b/c", "a\n"])
def test_invalid_names_of_labels(key: str):
    assert not is_qualified_name(key)


def test_values_of_labels():
    assert is_label_value("")
    assert is_label_value("1.0_a")
    assert not is_label_value("1.0+a")
    assert not is_label_value("a" * 64)


def test_a_field_that_the_api_server_would_drop_is_named_with_the_nearest_known_one():
    body = valid_body()
    body["spec"]["replica"] = 3
    body["spec"]["strategy"]["canary"]["steps"][0]["setWieght"] = 3
    body["spec"]["template"]["spec"]["containers"][0]["whatever"] = 3
    body["specs"] = {}
    hints = {finding.field: finding.hint for finding in check(Manifest(body), [])}
    assert hints == {
        "spec.replica": "did you mean replicas?",
        "spec.strategy.canary.steps[0].setWieght": "did you mean setWeight?",
        "spec.template.spec.containers[0].whatever": "take it out",
        "specs": "did you mean spec?",
    }


def test_fields_are_known_by_the_version_of_the_controller():
    body = valid_body()
    body["spec"]["strategy"]["canary"]["replicaProgressThreshold"] = {"type": "Percent", "value": 50}
    assert check(Manifest(body), [], "1.9") == []
    (finding,) = check(Manifest(body), [], "1.8")
    assert finding.field == "spec.strategy.canary.replicaProgressThreshold"
    assert finding.message == "unknown field"


def test_what_the_crd_refuses_is_reported_once():
    body = valid_body()
    body["spec"]["minReadySeconds"] = "soon"
    body["spec"]["template"]["spec"]["containers"][0] |= {"name": None, "tty": "yes"}
    fields = fields_of(body)
    assert sorted(fields) == [
        "spec.minReadySeconds",
        "spec.template.spec.containers[0].name",
        "spec.template.spec.containers[0].tty",
    ]


def test_a_field_with_the_name_of_list_items_is_not_an_item() -> None:
    container = {"imagePullPolicy": "Sometimes"}
    for containers, codes in (([container], 1), ({"*": container}, 0)):
        report = Report(Manifest({"spec": {"containers": containers}}))
        check_fields(report, ("spec",))
        assert len(report.findings) == codes


@pytest.mark.parametrize(("privileged", "findings"), [(None, 1), (False, 1), (True, 0)])
def test_a_mount_that_reaches_the_node_needs_a_privileged_container(privileged: bool | None, findings: int) -> None:
    body = valid_body()
    container = body["spec"]["template"]["spec"]["containers"][0]
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": "/mnt"}}]
    container["volumeMounts"] = [{"name": "host", "mountPath": "/mnt", "mountPropagation": "Bidirectional"}]
    if privileged is not None:
        container["securityContext"] = {"privileged": privileged}
    path = "spec.template.spec.containers[0].volumeMounts.mountPropagation"
    assert fields_of(body) == [path] * findings
