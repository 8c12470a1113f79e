"""Labels, annotations and names of objects that the controller makes from a Rollout."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks import check


def rollout(
    *, strategy: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.example.com/web:1", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", **(metadata or {})},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": {"containers": [container]}},
            "strategy": {"canary": {"steps": [{"setWeight": 20}], **(strategy or {})}},
            **spec,
        },
    }


def found(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding.code, finding.field) for finding in check(Manifest(body), [])]


def experiment(**template: Any) -> dict[str, Any]:
    body = {"name": "trial", "specRef": "canary", **template}
    return {"steps": [{"experiment": {"duration": "10m", "templates": [body]}}, {"pause": {}}]}


def routed(routing: dict[str, Any]) -> dict[str, Any]:
    return rollout(strategy={"stableService": "stable", "canaryService": "canary", "trafficRouting": routing})


CANARY = "spec.strategy.canary"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (rollout(metadata={"labels": {"a/b/c": "x"}}), "RS202", "metadata.labels"),
        (rollout(metadata={"annotations": {"a/b/c": "x"}}), "RS202", "metadata.annotations.a/b/c"),
        (
            rollout(metadata={"annotations": {"scale-down-deadline": "x"}}),
            "RS241",
            "metadata.annotations.scale-down-deadline",
        ),
        (
            rollout(metadata={"annotations": {"experiment.argoproj.io/name": "x"}}),
            "RS241",
            "metadata.annotations.experiment.argoproj.io/name",
        ),
        (
            rollout(strategy={"canaryMetadata": {"labels": {"rollouts-pod-template-hash": "x"}}}),
            "RS241",
            f"{CANARY}.canaryMetadata.labels.rollouts-pod-template-hash",
        ),
        (
            rollout(strategy={"canaryMetadata": {"labels": {"app": "canary"}}}),
            "RS204",
            f"{CANARY}.canaryMetadata.labels",
        ),
        (
            rollout(
                strategy={"stableMetadata": {"labels": {"role": "stable"}}},
                selector={
                    "matchLabels": {"app": "web"},
                    "matchExpressions": [{"key": "role", "operator": "DoesNotExist"}],
                },
            ),
            "RS204",
            f"{CANARY}.stableMetadata.labels",
        ),
        (
            rollout(strategy={"stableMetadata": {"labels": {"role": "not valid"}}}),
            "RS202",
            f"{CANARY}.stableMetadata.labels.role",
        ),
        (
            rollout(strategy={"stableMetadata": {"annotations": {"a b": "x"}}}),
            "RS202",
            f"{CANARY}.stableMetadata.annotations.a b",
        ),
        (
            routed({"nginx": {"stableIngress": "web", "additionalIngressAnnotations": {"a.example.com/b": "x"}}}),
            "RS202",
            f"{CANARY}.trafficRouting.nginx.additionalIngressAnnotations.a.example.com/b",
        ),
        (
            routed({"nginx": {"stableIngress": "web", "canaryIngressAnnotations": {"a/b/c": "x"}}}),
            "RS202",
            f"{CANARY}.trafficRouting.nginx.canaryIngressAnnotations.a/b/c",
        ),
        (
            routed({"alb": {"ingress": "web", "servicePort": 80, "rootService": "x" * 60}}),
            "RS202",
            f"{CANARY}.trafficRouting.alb.rootService",
        ),
        (
            rollout(strategy=experiment(selector={"matchLabels": {"app": "trial"}})),
            "RS204",
            f"{CANARY}.steps[0].experiment.templates[0].selector",
        ),
        (
            rollout(strategy=experiment(service={"name": "1st"})),
            "RS242",
            f"{CANARY}.steps[0].experiment.templates[0].service.name",
        ),
        (
            rollout(strategy=experiment(service={}), metadata={"name": "a" * 50}),
            "RS242",
            f"{CANARY}.steps[0].experiment.templates[0].name",
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_found(body: dict[str, Any], code: str, field: str):
    assert (code, field) in found(body)


@pytest.mark.parametrize(
    "body",
    [
        rollout(metadata={"labels": {"app": "web"}, "annotations": {"Example.com/Note": "x", "note": "a/b/c"}}),
        rollout(strategy={"canaryMetadata": {"labels": {"app": "web", "role": "canary"}}}),
        rollout(strategy=experiment(selector={"matchLabels": {"tier": "front"}})),
        rollout(strategy=experiment(metadata={"labels": {"app": "trial"}}, selector={"matchLabels": {"app": "trial"}})),
        rollout(strategy=experiment(), metadata={"name": "a" * 50}),
        rollout(strategy=experiment(service={"name": "trial"}), metadata={"name": "1st"}),
    ],
)
def test_what_the_api_server_takes_is_left_alone(body: dict[str, Any]):
    assert found(body) == []
