"""The AnalysisTemplates of an analysis, which become one run.

Argo Rollouts v1.9.1, ``utils/analysis/helpers.go`` and ``pkg/apis/rollouts/validation/validation_references.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from renderer.kubernetes.manifest import Manifest, field_path
from renderer.rollouts.checks.references import Kind, Objects, analyses
from renderer.rollouts.checks.report import Path, Report, part_of
from renderer.rollouts.model.spec import CANARY

TEMPLATE: Kind = ("argoproj.io", "AnalysisTemplate")
CLUSTER_TEMPLATE: Kind = ("argoproj.io", "ClusterAnalysisTemplate")
BACKGROUND: Path = (*CANARY, "analysis")


def check_analyses(report: Report, objects: Objects) -> None:
    """Report analyses whose templates, if all are among ``objects``, cannot become one run."""
    for path in analyses(report):
        templates = _templates(report, objects, path)
        for message in _problems(report, path, templates) if templates else ():
            field = field_path((*path, "templates"))
            report.add("RS321", (*path, "templates"), message, field=field)


def _templates(report: Report, objects: Objects, path: Path) -> list[Manifest]:
    """Return the templates; empty if one of them is missing, or refers to other templates."""
    found: list[Manifest] = []
    for reference in report.items(*path, "templates"):
        kind = CLUSTER_TEMPLATE if part_of(reference, ("clusterScope",)) else TEMPLATE
        name = part_of(reference, ("templateName",))
        named = objects.named(kind, name) if isinstance(name, str) else []
        own = [
            item for item in named if kind == CLUSTER_TEMPLATE or item.namespace in ("", None, report.rollout.namespace)
        ]
        if not own or part_of(own[0].body, ("spec", "templates")):
            return []
        found.append(own[0])
    return found


def _problems(report: Report, path: Path, templates: Sequence[Manifest]) -> Iterator[str]:
    metrics = [(template, metric) for template in templates for metric in _items(template, "metrics")]
    names = [metric.get("name") for _, metric in metrics]
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        yield f"two metrics have the same name {name}"
    yield from _unresolved(report, path, templates)
    for template, metric in metrics:
        for field, message in _invalid_conditions(metric, _values(report, path, templates)):
            what = f"the {field} of the metric {metric.get('name')}"
            yield f"AnalysisTemplate {template.name}: {what} is invalid: {message}"
    if path == BACKGROUND:
        return
    for template in templates:
        for argument in _items(template, "args"):
            if argument.get("value") is not None and argument.get("valueFrom") is not None:
                what = f"the argument {argument.get('name')}"
                yield f"AnalysisTemplate {template.name}: {what} has both value and valueFrom"
    for template, metric in metrics:
        if _is_endless(metric):
            what = f"the metric {metric.get('name')} has an interval and no count"
            yield f"AnalysisTemplate {template.name}: {what}, so it would never end"


def _unresolved(report: Report, path: Path, templates: Sequence[Manifest]) -> Iterator[str]:
    given = {part_of(item, ("name",)) for item in report.items(*path, "args") if _has_value(item)}
    values: dict[Any, Any] = {}
    for template in templates:
        for argument in _items(template, "args"):
            name, value = argument.get("name"), argument.get("value")
            before = part_of(values.get(name), ("value",))
            if before is not None and value is not None and before != value:
                yield f"the argument {name} has the value {before} in one template and {value} in another"
            if before is None:
                values[name] = argument
    for name, argument in values.items():
        if not _has_value(argument) and name not in given:
            yield f"the argument {name} has no value: give it in args, or in the template"


def _values(report: Report, path: Path, templates: Sequence[Manifest]) -> dict[str, str]:
    """Return the arguments whose values are known, for ``substitute``."""
    found: dict[str, str] = {}
    for argument in (item for template in templates for item in _items(template, "args")):
        if argument.get("value") is not None:
            found[f"args.{argument.get('name')}"] = str(argument["value"])
    for argument in report.items(*path, "args"):
        name, value = (part_of(argument, (key,)) for key in ("name", "value"))
        found.pop(f"args.{name}", None)
        if value is not None:
            found[f"args.{name}"] = str(value)
    return found


def _invalid_conditions(metric: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each condition that fails for every result, and why; one with an unknown argument may be right."""
    conditions = {field: metric.get(field) for field in ("successCondition", "failureCondition")}
    if not any(conditions.values()):
        return
    # Slow to import, and for metrics with conditions only.
    from renderer.rollouts.analysis.arguments import substitute
    from renderer.rollouts.analysis.evaluate import error_of_condition
    from renderer.rollouts.analysis.metrics import InvalidAnalysisError

    for field, condition in conditions.items():
        if not isinstance(condition, str) or not condition:
            continue
        try:
            message = error_of_condition(substitute(condition, values))
        except InvalidAnalysisError:
            continue
        if message:
            yield field, message


def _has_value(argument: object) -> bool:
    return any(part_of(argument, (key,)) is not None for key in ("value", "valueFrom"))


def _is_endless(metric: Mapping[str, Any]) -> bool:
    count = metric.get("count")
    text = "0" if count is None else str(count)
    # Text counts as 0; an argument in braces may be any number.
    number = text if text.isdigit() or "{{" in text else "0"
    return bool(metric.get("interval")) and number.strip("0") == ""


def _items(template: Manifest, key: str) -> list[Mapping[str, Any]]:
    found = part_of(template.body, ("spec", key))
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
