"""The scheduling of pods: affinities, tolerations, topology spread and node selectors.

Kubernetes v1.34, ``pkg/apis/core/validation/validation.go``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from renderer.kubernetes.manifest import field_path
from renderer.rollouts.checks.labels import check_label_selector, check_labels, check_requirement
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.checks.values import LABEL_VALUE, QUALIFIED, SUBDOMAIN, at_least, between, one_of, required
from renderer.rollouts.model.spec import PREFERRED, REQUIRED

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def check_scheduling(report: Report, pod: Path) -> None:
    """Report invalid scheduling fields below ``pod``."""
    check_labels(report, (*pod, "nodeSelector"), "spec.template.spec.nodeSelector")
    _check_node_affinity(report, (*pod, "affinity", "nodeAffinity"))
    for kind in ("podAffinity", "podAntiAffinity"):
        for path, _ in report.mappings(*pod, "affinity", kind, REQUIRED):
            _check_pod_term(report, path)
        for path, term in report.mappings(*pod, "affinity", kind, PREFERRED):
            _add(report, (*path, "weight"), between(1, 100)(term.get("weight", 0)))
            if isinstance(term.get("podAffinityTerm", {}), dict):
                _check_pod_term(report, (*path, "podAffinityTerm"))
    for path, toleration in report.mappings(*pod, "tolerations"):
        _check_toleration(report, path, toleration)
    _check_spread(report, (*pod, "topologySpreadConstraints"))


def _check_node_affinity(report: Report, path: Path) -> None:
    if isinstance(report.at(*path, REQUIRED), dict):
        terms = (*path, REQUIRED, "nodeSelectorTerms")
        _add(report, terms, required(report.at(*terms)))
        for term, _ in report.mappings(*terms):
            for at, _ in report.mappings(*term, "matchExpressions"):
                check_requirement(report, at, "RS209", of_nodes=True)
    for term, body in report.mappings(*path, PREFERRED):
        _add(report, (*term, "weight"), between(1, 100)(body.get("weight", 0)))
        for at, _ in report.mappings(*term, "preference", "matchExpressions"):
            check_requirement(report, at, "RS209", of_nodes=True, check_values=False)


def _check_pod_term(report: Report, path: Path) -> None:
    check_label_selector(report, (*path, "labelSelector"), "RS209")
    key = report.at(*path, "topologyKey")
    _add(report, (*path, "topologyKey"), required(key) or QUALIFIED(key))
    for index, name in enumerate(report.items(*path, "namespaces")):
        _add(report, (*path, "namespaces", index), SUBDOMAIN(name), field=path, name="namespace")


def _check_toleration(report: Report, path: Path, toleration: Mapping[str, Any]) -> None:
    key, operator, effect = (toleration.get(name) or "" for name in ("key", "operator", "effect"))
    value = toleration.get("value") or ""
    _add(report, (*path, "key"), QUALIFIED(key) if key else "")
    if not key and operator != "Exists":
        _add(report, (*path, "operator"), "must be Exists where there is no key, and then matches every taint")
    elif operator == "Exists":
        _add(report, (*path, "operator"), f"takes no value, found {json.dumps(value)}" if value else "")
    else:
        _add(report, (*path, "operator"), one_of("Equal", "Exists")(operator) or LABEL_VALUE(value))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        _add(report, (*path, "effect"), "must be NoExecute where there are tolerationSeconds")
    else:
        _add(report, (*path, "effect"), one_of(*EFFECTS)(effect))


def _check_spread(report: Report, path: Path) -> None:
    constraints = list(report.mappings(*path))
    kinds = [(body.get("topologyKey"), body.get("whenUnsatisfiable")) for _, body in constraints]
    for number, (at, body) in enumerate(constraints):
        when = body.get("whenUnsatisfiable", "")
        _add(report, (*at, "maxSkew"), at_least(1)(body.get("maxSkew", 0)))
        _add(report, (*at, "topologyKey"), required(body.get("topologyKey")))
        _add(report, (*at, "whenUnsatisfiable"), one_of("DoNotSchedule", "ScheduleAnyway", empty=False)(when))
        if kinds[number] in kinds[number + 1 :]:
            message = "another constraint has the same topologyKey and whenUnsatisfiable"
            _add(report, at, message, field=at, name="{topologyKey, whenUnsatisfiable}")
        if body.get("minDomains") is not None:
            message = "" if when == "DoNotSchedule" else "requires whenUnsatisfiable: DoNotSchedule"
            _add(report, (*at, "minDomains"), at_least(1)(body["minDomains"]) or message)
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            _add(report, (*at, policy), one_of("Honor", "Ignore", empty=False)(body.get(policy)))
        check_label_selector(report, (*at, "labelSelector"), "RS209")


def _add(report: Report, path: Path, message: str, *, field: Path = (), name: str = "") -> None:
    """Report ``message``, if any; Kubernetes' name of the field is ``name`` below ``field``, if given."""
    if message:
        report.add("RS209", path, message, field=f"{field_path(field)}.{name}" if name else "")
