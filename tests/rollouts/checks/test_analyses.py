"""Conditions of metrics that no result makes right are errors."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks import check

LIMIT = {"name": "limit", "value": "0.9"}


def messages(condition: str, *, given: dict[str, Any] | None = None, own: dict[str, Any] | None = None) -> list[str]:
    analysis = {"templates": [{"templateName": "ok"}], "args": [given] if given else []}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    canary = {"steps": [{"setWeight": 5}, {"analysis": analysis}]}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template, "strategy": {"canary": canary}}
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec}
    metric = {"name": "m", "successCondition": condition, "provider": {"web": {"url": "http://metrics.example.com"}}}
    templated = {"metrics": [metric], "args": [own] if own else []}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate"}
    objects = [Manifest({**kind, "metadata": {"name": "ok"}, "spec": templated})]
    return [finding.message for finding in check(Manifest(rollout), objects) if finding.code == "RS321"]


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("result >", "unexpected token EOF"),
        ("results >= 0.9", "unknown name results"),
        ("len(result) == '{{args.limit}}'", "invalid operation: == (mismatched types int and string)"),
    ],
)
def test_an_invalid_condition_is_found(condition: str, reason: str) -> None:
    text = f"AnalysisTemplate ok: the successCondition of the metric m is invalid: {reason}"
    assert messages(condition, own=LIMIT) == [text]


@pytest.mark.parametrize(
    ("condition", "given", "own"),
    [
        ("result >= 0.9", None, None),
        # The controller takes it.
        ("date(result) < date('2030-01-01')", None, None),
        ("result >= {{args.limit}}", LIMIT, {"name": "limit"}),
        ("result >= {{ args.limit }}", None, LIMIT),
        # The value is not known before the run.
        ("result >= {{args.limit}}(", {"name": "limit", "valueFrom": {"podTemplateHashValue": "Latest"}}, LIMIT),
    ],
)
def test_other_conditions_are_not(condition: str, given: dict[str, Any] | None, own: dict[str, Any] | None) -> None:
    assert messages(condition, given=given, own=own) == []


def test_the_value_of_the_rollout_counts() -> None:
    (message,) = messages("result >= {{args.limit}}", given={"name": "limit", "value": "("}, own=LIMIT)
    assert "unexpected token EOF" in message
