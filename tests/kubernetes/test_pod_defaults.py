"""The API server's defaults are added to pod templates and removed from them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.pod_defaults import default_pod_template, strip_pod_defaults

FULL: dict[str, Any] = {
    "containers": [
        {
            "name": "main",
            "image": "registry.example.com/web",
            "ports": [{"containerPort": 80}],
            "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, {"name": "B", "value": "b"}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "lifecycle": {"preStop": {"httpGet": {"port": 80, "path": "/stop"}}},
        }
    ],
    "volumes": [
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "e"},
        {"name": "h", "hostPath": {"path": "/"}},
        {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ],
}


def test_defaults_are_filled_in() -> None:
    spec = default_pod_template({"spec": FULL})["spec"]
    container = spec["containers"][0]
    assert {name: spec[name] for name in ("dnsPolicy", "restartPolicy", "schedulerName", "securityContext")} == {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
    }
    assert container["imagePullPolicy"] == "Always"
    assert container["ports"] == [{"protocol": "TCP", "containerPort": 80}]
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["readinessProbe"]["periodSeconds"] == 10
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "scheme": "HTTP", "port": 80}
    assert container["lifecycle"]["preStop"]["httpGet"] == {"path": "/stop", "scheme": "HTTP", "port": 80}
    assert spec["volumes"][0]["configMap"]["defaultMode"] == 0o644
    assert spec["volumes"][1]["emptyDir"] == {}
    assert spec["volumes"][2]["hostPath"]["type"] == ""
    assert spec["volumes"][3]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_filling_in_twice_changes_nothing() -> None:
    once = default_pod_template({"spec": FULL})
    assert default_pod_template(once) == once


def test_what_is_set_stays() -> None:
    spec = {"dnsPolicy": "Default", "containers": [{"name": "m", "image": "a:1", "imagePullPolicy": "Never"}]}
    filled = default_pod_template({"spec": spec})["spec"]
    assert filled["dnsPolicy"] == "Default"
    assert filled["containers"][0]["imagePullPolicy"] == "Never"


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:1", "IfNotPresent"),
        ("registry.example.com:5000/web", "Always"),
        ("registry.example.com:5000/web:1", "IfNotPresent"),
        ("web@sha256:abc", "IfNotPresent"),
        ("web:latest@sha256:abc", "Always"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    spec = default_pod_template({"spec": {"containers": [{"name": "m", "image": image}]}})["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == policy


@given(
    st.fixed_dictionaries(
        {"containers": st.lists(st.fixed_dictionaries({"name": st.just("m"), "image": st.sampled_from(["a", "a:1"])}))},
        optional={
            "dnsPolicy": st.sampled_from(["Default", "None"]),
            "terminationGracePeriodSeconds": st.integers(0, 9),
        },
    )
)
def test_what_was_filled_in_can_be_taken_out(spec: dict[str, Any]) -> None:
    assert strip_pod_defaults(default_pod_template({"spec": spec})["spec"]) == spec
