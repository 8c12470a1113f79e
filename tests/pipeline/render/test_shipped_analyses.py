"""The shipped AnalysisTemplates are valid, and their conditions decide as they say."""

from __future__ import annotations

import math

import pytest

from renderer.pipeline.render.shipped_analyses import shipped_names, shipped_template
from renderer.rollouts.analysis.arguments import Argument, arguments_of, resolve_metric
from renderer.rollouts.analysis.evaluate import error_of_condition, evaluate_result
from renderer.rollouts.analysis.expr.values import Floats
from renderer.rollouts.analysis.metrics import Metric, validate_metrics
from renderer.rollouts.analysis.templates import run_of_templates

ROUTERS = {"nginx": "ingress", "istio": "service", "traefik": "service", "gateway-api": "route"}


def metric_of(name: str) -> Metric:
    template = shipped_template(name)
    assert template is not None
    own = arguments_of(template["spec"]["args"])
    given = [Argument(item.name, "web" if item.value is None else item.value) for item in own]
    (body,) = template["spec"]["metrics"]
    return resolve_metric(body, given)


def test_every_router_has_a_success_rate_and_a_latency() -> None:
    assert set(shipped_names()) == {f"rollstep-{router}-{kind}" for router in ROUTERS for kind in KINDS}
    assert shipped_template("rollstep-nginx") is None
    assert shipped_template("../object") is None


KINDS = ("success-rate", "latency")


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_template_is_valid(name: str) -> None:
    template = shipped_template(name)
    assert template is not None
    assert template["metadata"]["name"] == name
    metric = metric_of(name)
    validate_metrics([metric])
    for condition in (metric.success_condition, metric.failure_condition):
        assert error_of_condition(condition) == ""
    assert "{{" not in str(metric.body)


@pytest.mark.parametrize("name", shipped_names())
def test_only_the_addressed_names_have_to_be_given(name: str) -> None:
    template = shipped_template(name)
    assert template is not None
    router = name.removeprefix("rollstep-").removesuffix("-success-rate").removesuffix("-latency")
    missing = {item.name for item in arguments_of(template["spec"]["args"]) if item.value is None}
    assert missing == {"namespace", ROUTERS[router]}


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_template_decides(name: str) -> None:
    metric = metric_of(name)
    good, bad = (0.995, 0.9) if name.endswith("rate") else (0.2, 0.7)
    phases = [
        evaluate_result(Floats(values), metric.success_condition, metric.failure_condition)
        for values in ([good], [bad], [], [math.nan])
    ]
    assert phases == ["Successful", "Failed", "Inconclusive", "Inconclusive"]


@pytest.mark.parametrize("router", ROUTERS)
def test_both_templates_of_a_router_go_into_one_run(router: str) -> None:
    references = [{"templateName": f"rollstep-{router}-{kind}"} for kind in KINDS]
    given = [Argument("namespace", "shop"), Argument(ROUTERS[router], "web")]
    run = run_of_templates(references, lambda name, _: shipped_template(name), given)
    assert [metric["name"] for metric in run.metrics] == ["success-rate", "latency"]
