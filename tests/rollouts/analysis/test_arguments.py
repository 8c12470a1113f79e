"""Arguments of analyses, and the templates that are merged into a run."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.rollouts.analysis.arguments import (
    Argument,
    arguments_from_rollout,
    arguments_of,
    experiment_values,
    merge_arguments,
    resolve_metric,
    substitute,
)
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.templates import run_of_templates

ROLLOUT = {
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {"team": "a", "app": "web"},
        "annotations": {"a/b": 'q"'},
    },
    "spec": {"replicas": 1000000, "paused": True, "strategy": {"canary": {"steps": [{"setWeight": 20}]}}},
}


def from_rollout(path: str) -> str:
    source = [{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    (argument,) = arguments_from_rollout(source, ROLLOUT, stable_hash="old", latest_hash="new")
    assert argument.value is not None
    return argument.value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.labels['team']", "a"),
        ("metadata.labels['none']", ""),
        ("metadata.labels", 'app="web"\nteam="a"'),
        ("metadata.annotations['a/b']", 'q"'),
        ("spec.replicas", "1e+06"),
        ("spec.paused", "true"),
        ("spec.strategy.canary.steps[0].setWeight", "20"),
    ],
)
def test_a_field_of_the_rollout(path: str, value: str) -> None:
    assert from_rollout(path) == value


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("metadata.generation", "unsupported fieldPath: metadata.generation"),
        ("spec.none", "invalid path spec.none in rollout"),
        ("spec.replicas.x", "invalid path spec.replicas.x in rollout"),
        ("spec.strategy", "path spec.strategy in rollout must terminate in a primitive value"),
        ("spec.strategy.canary.steps[9].setWeight", "index 9 out of range"),
        ("spec.strategy.canary.steps[a]", "invalid index 'a'"),
    ],
)
def test_a_field_that_is_missing(path: str, message: str) -> None:
    with pytest.raises(InvalidAnalysisError) as raised:
        from_rollout(path)
    assert str(raised.value) == message


def test_hashes_of_the_rollout() -> None:
    source: list[dict[str, Any]] = [
        {"name": "old", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "new", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "fixed", "value": "1"},
    ]
    found = arguments_from_rollout(source, ROLLOUT, stable_hash="old", latest_hash="new")
    assert [argument.value for argument in found] == ["old", "new", "1"]


def test_incoming_values_replace_those_of_the_template() -> None:
    template = arguments_of([{"name": "a", "value": "1"}, {"name": "b"}])
    merged = merge_arguments([Argument("b", "2"), Argument("unknown", "3")], template)
    assert [(argument.name, argument.value) for argument in merged] == [("a", "1"), ("b", "2")]
    with pytest.raises(InvalidAnalysisError, match=r"^args\.b was not resolved$"):
        merge_arguments([], template)


def test_values_keep_their_quotes_and_lines() -> None:
    metric = {"name": "m", "successCondition": "result == '{{ args.x }}'", "count": "{{args.n}}", "provider": {}}
    resolved = resolve_metric(metric, [Argument("x", 'a"b\\\n<'), Argument("n", "3")])
    assert resolved.success_condition == "result == 'a\"b\\\n<'"
    assert resolved.count == 3


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("{{args.x}}", [], "failed to resolve {{args.x}}"),
        ("{{ x }}", [Argument("x", "1")], "failed to resolve {{ x }}"),
        ("plain", [Argument("x")], 'argument "x" was not supplied'),
        ("{{args.x}}", [Argument("x", "\a")], "invalid character 'a' in string escape code"),
    ],
)
def test_values_that_are_missing(text: str, arguments: list[Argument], message: str) -> None:
    with pytest.raises(InvalidAnalysisError) as raised:
        resolve_metric({"name": "m", "successCondition": text}, arguments)
    assert str(raised.value) == message


def test_values_of_an_experiment() -> None:
    values = experiment_values({"canary": "abc"}, {"canary": "web-abc"}, available_at="2026-01-01T00:00:00Z")
    text = "{{templates.canary.podTemplateHash}} {{templates.canary.replicaset.name}} {{ experiment.availableAt }}"
    assert substitute(text, values) == "abc web-abc 2026-01-01T00:00:00Z"
    with pytest.raises(InvalidAnalysisError, match=r"failed to resolve {{experiment\.finishedAt}}"):
        substitute("{{experiment.finishedAt}}", values)
    with pytest.raises(InvalidAnalysisError, match="Cannot find end tag"):
        substitute("{{open", values)


def template(name: str, *metrics: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"metrics": [{"name": metric} for metric in metrics], **spec}}


TEMPLATES = {
    ("a", False): template(
        "a", "one", args=[{"name": "x"}, {"name": "y", "value": "1"}], dryRun=[{"metricName": "one"}]
    ),
    ("b", False): template("b", "two", args=[{"name": "x", "value": "2"}], templates=[{"templateName": "a"}]),
    ("c", True): template("c", "three", args=[{"name": "y", "value": "3"}], templates=[{"templateName": "b"}]),
    ("d", False): template("d", "one"),
    ("loop", False): template("loop", templates=[{"templateName": "loop"}]),
}


def run_of(*names: str, arguments: tuple[Argument, ...] = (), dry_run: tuple[Any, ...] = ()) -> Any:
    references = [{"templateName": name, "clusterScope": name == "c"} for name in names]
    return run_of_templates(references, lambda name, cluster: TEMPLATES.get((name, cluster)), arguments, dry_run)


def test_templates_are_merged_with_their_nested_ones_once() -> None:
    run = run_of("b", "a")
    assert [metric["name"] for metric in run.metrics] == ["two", "one"]
    assert [(argument.name, argument.value) for argument in run.arguments] == [("x", "2"), ("y", "1")]
    assert run.dry_run == ({"metricName": "one"},)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["none"], 'analysistemplates.argoproj.io "none" not found'),
        (["a"], "args.x was not resolved"),
        (["b", "d"], "two metrics have the same name 'one'"),
        (["c"], "Argument `y` specified multiple times with different values: '1', '3'"),
        (["loop"], "AnalysisTemplate 'loop' is nested in itself"),
    ],
)
def test_templates_that_do_not_fit(names: list[str], message: str) -> None:
    with pytest.raises(InvalidAnalysisError) as raised:
        run_of(*names)
    assert str(raised.value) == message


def test_a_rule_of_the_rollout_must_not_repeat_one_of_a_template() -> None:
    with pytest.raises(InvalidAnalysisError, match="two Dry-Run metric rules have the same name 'one'"):
        run_of("a", arguments=(Argument("x", "1"),), dry_run=({"metricName": "one"},))
