"""AnalysisTemplates and ClusterAnalysisTemplates, merged into one run (``utils/analysis/helpers.go``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.rollouts.analysis.arguments import Argument, arguments_of, merge_arguments
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.run import RunSpec

Lookup = Callable[[str, bool], Body | None]
"""From a template's name, and whether it is a ClusterAnalysisTemplate, to its manifest."""


def run_of_templates(
    references: Sequence[Body],
    lookup: Lookup,
    arguments: Sequence[Argument] = (),
    dry_run: Sequence[Body] = (),
    measurement_retention: Sequence[Body] = (),
) -> RunSpec:
    """Return the run of the templates that a Rollout names, with their nested templates.

    Raises ``InvalidAnalysisError`` for a missing template, for two metrics, arguments or rules that differ under one
    name, and for an argument without a value.
    """
    templates, cluster_templates = collect(references, lookup)
    specs: list[Mapping[str, Any]] = [template.get("spec") or {} for template in (*templates, *cluster_templates)]
    metrics = [metric for spec in specs for metric in spec.get("metrics") or ()]
    _unique("two metrics have the same name", [str(metric.get("name")) for metric in metrics])
    own = _rules(specs, "dryRun"), _rules(specs, "measurementRetention")
    merged = merge_arguments(arguments, _combined_arguments(specs))
    return RunSpec(
        metrics=tuple(metrics),
        arguments=merged,
        dry_run=_unique_rules("Dry-Run", [*dry_run, *own[0]]),
        measurement_retention=_unique_rules("Measurement Retention", [*measurement_retention, *own[1]]),
    )


def collect(
    references: Sequence[Body], lookup: Lookup, above: tuple[tuple[str, bool], ...] = ()
) -> tuple[list[Body], list[Body]]:
    """Return the templates that references name, and the cluster-wide ones, each once, with their nested ones.

    Raises ``InvalidAnalysisError`` for a missing template, and for one that is nested in itself, over which the
    controller would not return.
    """
    templates: dict[str, Body] = {}
    cluster_templates: dict[str, Body] = {}
    for reference in references:
        name, is_cluster = str(reference.get("templateName") or ""), bool(reference.get("clusterScope"))
        kind = "ClusterAnalysisTemplate" if is_cluster else "AnalysisTemplate"
        if (name, is_cluster) in above:
            raise InvalidAnalysisError(f"{kind} '{name}' is nested in itself")
        template = lookup(name, is_cluster)
        if template is None:
            resource = f"{kind.lower()}s.argoproj.io"
            raise InvalidAnalysisError(f'{resource} "{name}" not found')
        (cluster_templates if is_cluster else templates).setdefault(name, template)
        nested = (template.get("spec") or {}).get("templates") or ()
        inner, inner_cluster = collect(nested, lookup, (*above, (name, is_cluster)))
        for found, own in ((inner, templates), (inner_cluster, cluster_templates)):
            for item in found:
                own.setdefault(str((item.get("metadata") or {}).get("name")), item)
    return list(templates.values()), list(cluster_templates.values())


def _unique(message: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidAnalysisError(f"{message} '{name}'")


def _rules(specs: Sequence[Mapping[str, Any]], field: str) -> tuple[Body, ...]:
    title = "Dry-Run" if field == "dryRun" else "Measurement Retention"
    return _unique_rules(title, [rule for spec in specs for rule in spec.get(field) or ()])


def _unique_rules(title: str, rules: Sequence[Body]) -> tuple[Body, ...]:
    _unique(f"two {title} metric rules have the same name", [str(rule.get("metricName")) for rule in rules])
    return tuple(rules)


def _combined_arguments(specs: Sequence[Mapping[str, Any]]) -> tuple[Argument, ...]:
    found: dict[str, Argument] = {}
    for argument in (item for spec in specs for item in arguments_of(spec.get("args") or ())):
        before = found.setdefault(argument.name, argument)
        if before.value is not None and argument.value is not None and before.value != argument.value:
            raise InvalidAnalysisError(
                f"Argument `{argument.name}` specified multiple times with different values:"
                f" '{before.value}', '{argument.value}'"
            )
        if before.value is None:
            found[argument.name] = replace(argument)
    return tuple(found.values())
