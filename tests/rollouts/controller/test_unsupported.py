"""Fields that the engine does not support are refused."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Source
from renderer.rollouts.controller import unsupported_fields
from renderer.rollouts.model.rollout import Rollout


def rollout(strategy: dict[str, Any], **spec: Any) -> Rollout:
    return Rollout.from_body({"metadata": {"name": "web"}, "spec": {"strategy": strategy, **spec}})


@pytest.mark.parametrize(
    ("strategy", "field"),
    [
        ({"canary": {"steps": [{"plugin": {"name": "x"}}]}}, "spec.strategy.canary.steps[0].plugin"),
        ({"canary": {"trafficRouting": {"appMesh": {}}}}, "spec.strategy.canary.trafficRouting.appMesh"),
        ({"blueGreen": {"prePromotionAnalysis": {}}}, "spec.strategy.blueGreen.prePromotionAnalysis"),
        ({"blueGreen": {"postPromotionAnalysis": {}}}, "spec.strategy.blueGreen.postPromotionAnalysis"),
    ],
)
def test_the_field_is_named_with_its_line(strategy: dict[str, Any], field: str) -> None:
    findings = unsupported_fields(rollout(strategy), Source("web.yaml", {("spec", "strategy"): (7, 3)}))
    assert [(item.field, item.file, item.line) for item in findings] == [(field, "web.yaml", 7)]


def test_all_findings_come_at_once() -> None:
    routing: dict[str, Any] = {"trafficRouting": {"appMesh": {}}}
    strategy = {"canary": {**routing, "steps": [{"plugin": {"name": "y"}}, {"plugin": {"name": "x"}}]}}
    assert len(unsupported_fields(rollout(strategy))) == 3


def test_what_is_supported_has_no_findings() -> None:
    steps = [{"setWeight": 5}, {"pause": {}}, {"setCanaryScale": {"weight": 1}}, {"setHeaderRoute": {"name": "h"}}]
    for router in ("istio", "nginx", "alb", "smi", "ambassador", "traefik", "apisix"):
        canary = {"steps": steps, "trafficRouting": {router: {}, "maxTrafficWeight": 200}}
        assert unsupported_fields(rollout({"canary": canary})) == ()
    assert unsupported_fields(rollout({"blueGreen": {"activeService": "a"}})) == ()


EXPERIMENT = {"experiment": {"templates": [{"name": "trial", "specRef": "canary", "weight": 5}]}}


@pytest.mark.parametrize(("weight", "count"), [(95, 0), (96, 1)])
def test_weights_that_are_more_than_all_traffic(weight: int, count: int) -> None:
    canary = {"steps": [{"setWeight": weight}, EXPERIMENT], "trafficRouting": {"smi": {}}}
    findings = unsupported_fields(rollout({"canary": canary}))
    assert [item.field for item in findings] == ["spec.strategy.canary.steps[1].experiment.templates"] * count


def test_a_weight_without_a_port_for_its_service() -> None:
    template = {"spec": {"containers": [{"name": "web"}]}}
    canary = {"steps": [EXPERIMENT], "trafficRouting": {"istio": {}}}
    (finding,) = unsupported_fields(rollout({"canary": canary}, template=template))
    assert "requires a containerPort" in finding.message


def test_a_plugin_may_be_a_gate() -> None:
    subject = rollout({"canary": {"steps": [{"plugin": {"name": "a/b"}}, {"pause": {}}]}})
    (finding,) = unsupported_fields(subject)
    assert finding.message == "plugin steps are not supported: rollstep does not call a/b"
    assert "stepPlugins: {NAME: gate}" in finding.hint
    assert unsupported_fields(subject, plugin_gates=frozenset({"a/b"})) == ()
    assert len(unsupported_fields(subject, plugin_gates=frozenset({"c"}))) == 1


def test_analyses_are_supported() -> None:
    analysis = {"templates": [{"templateName": "success-rate"}]}
    assert unsupported_fields(rollout({"canary": {"analysis": analysis, "steps": [{"analysis": analysis}]}})) == ()
    both = {"prePromotionAnalysis": analysis, "postPromotionAnalysis": analysis}
    assert unsupported_fields(rollout({"blueGreen": {"activeService": "a", **both}})) == ()
