"""Selectors that depend on a label which pods get with their role."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks import check


def rollout(pod: dict[str, Any] | None = None, **canary: Any) -> Manifest:
    spec = {"containers": [{"name": "web", "image": "web:1"}], **(pod or {})}
    strategy = {"canaryMetadata": {"labels": {"role": "canary"}}, **canary}
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
            "strategy": {"canary": strategy},
        },
    }
    return Manifest(body)


def other(api_version: str, kind: str, **spec: Any) -> Manifest:
    return Manifest({"apiVersion": api_version, "kind": kind, "metadata": {"name": "other"}, "spec": spec})


BY_ROLE = {"matchLabels": {"app": "web", "role": "canary"}}


def fields(subject: Manifest, *manifests: Manifest, is_app: bool = True) -> list[str]:
    return [item.field for item in check(subject, manifests, is_app=is_app) if item.code == "RS331"]


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (other("v1", "Service", selector={"app": "web", "role": "canary"}), "spec.selector"),
        (other("networking.k8s.io/v1", "NetworkPolicy", podSelector=BY_ROLE), "spec.podSelector"),
        (other("policy/v1", "PodDisruptionBudget", selector=BY_ROLE), "spec.selector"),
        (other("monitoring.coreos.com/v1", "PodMonitor", selector=BY_ROLE), "spec.selector"),
        (
            other(
                "policy/v1",
                "PodDisruptionBudget",
                selector={"matchExpressions": [{"key": "role", "operator": "Exists"}]},
            ),
            "spec.selector",
        ),
        (
            other("networking.istio.io/v1", "DestinationRule", subsets=[{"name": "a", "labels": {"role": "canary"}}]),
            "spec.subsets[0].labels",
        ),
        (
            other("networking.istio.io/v1", "Sidecar", workloadSelector={"labels": {"role": "canary"}}),
            "spec.workloadSelector.labels",
        ),
    ],
)
def test_a_selector_of_a_roles_label_is_refused(manifest: Manifest, field: str) -> None:
    assert fields(rollout(), manifest) == [field]
    assert fields(rollout(), manifest, is_app=False) == []
    assert fields(rollout(canaryMetadata={"annotations": {"role": "canary"}}), manifest) == []


def test_a_pods_own_affinity_is_a_selector() -> None:
    term = {"topologyKey": "zone", "labelSelector": BY_ROLE}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert fields(rollout({"affinity": affinity})) == [
        "spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector"
    ]


@pytest.mark.parametrize(
    "manifest",
    [
        other("v1", "Service", selector={"app": "web"}),
        other("v1", "Service", selector={"app": "api", "role": "canary"}),
        other("monitoring.coreos.com/v1", "ServiceMonitor", selector=BY_ROLE),
        other("apps/v1", "StatefulSet", selector=BY_ROLE),
    ],
)
def test_other_selectors_are_allowed(manifest: Manifest) -> None:
    assert fields(rollout(), manifest) == []
