"""Labels and selectors, by the API server's rules (Kubernetes v1.34 ``apimachinery/pkg/util/validation``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.selectors import matches
from renderer.rollouts.checks.report import Path, Report

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
DEPLOYMENT_HASH = "pod-template-hash"
"""The label that only a Deployment's ReplicaSets give their pods."""
SELECTOR: Path = ("spec", "selector")


def is_dns_label(text: str) -> bool:
    """Return whether ``text`` is an RFC 1123 label."""
    return len(text) <= 63 and DNS_LABEL.fullmatch(text) is not None


def is_service_name(text: str) -> bool:
    """Return whether ``text`` is an RFC 1035 label, as names of Services are."""
    return len(text) <= 63 and _SERVICE_NAME.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """Return whether ``text`` is the key of a label or annotation: a name with an optional domain and slash."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and DNS_SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Return whether ``text`` is a label value."""
    return not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text) is not None)


def check_labels(report: Report, path: Path, field: str) -> None:
    """Report invalid labels at ``path``; ``field`` is the API server's name of them if it differs from their paths."""
    for key, value in report.mapping(*path).items():
        if not is_qualified_name(str(key)):
            message = (
                f'"{key}" is not a valid label: expected letters, digits, -, _ and ., a letter or digit first and last'
            )
            report.add("RS202", (*path, key), message, field=field)
        if isinstance(value, str) and not is_label_value(value):
            message = f'"{value}" is not a valid label value: expected up to 63 letters, digits, -, _ and .'
            report.add("RS202", (*path, key), message, field=field)


def check_selector(report: Report) -> None:
    """Report a selector that is missing, empty or invalid, or does not match the pod template's labels."""
    selector = report.at(*SELECTOR)
    if selector is None:
        report.add("RS203", SELECTOR, "required: the labels that pods of this Rollout have")
        return
    if not isinstance(selector, dict):
        return
    if not report.mapping(*SELECTOR, "matchLabels") and not report.items(*SELECTOR, "matchExpressions"):
        report.add("RS203", SELECTOR, "an empty selector would select every pod", "name the labels of the pod template")
        return
    before = len(report.findings)
    check_label_selector(report, SELECTOR, "RS203")
    expressions = report.items(*SELECTOR, "matchExpressions")
    if len(report.findings) == before and all(isinstance(item, dict) for item in expressions):
        _check_match(report)


def check_label_selector(report: Report, path: Path, code: str) -> None:
    """Report an invalid label selector at ``path``, by the rule ``code``."""
    check_labels(report, (*path, "matchLabels"), field_path((*path, "matchLabels")))
    for at, _ in report.mappings(*path, "matchExpressions"):
        check_requirement(report, at, code)


def check_requirement(
    report: Report, path: Path, code: str, *, of_nodes: bool = False, check_values: bool = True
) -> None:
    """Report an invalid expression of a label selector or, ``of_nodes``, of a node selector."""
    operator, values = report.at(*path, "operator"), report.items(*path, "values")
    operators = (*OPERATORS, "Gt", "Lt") if of_nodes else OPERATORS
    if operator not in operators:
        report.add(code, (*path, "operator"), f"expected one of {', '.join(operators)}, found {operator}")
    elif operator in ("In", "NotIn") and not values:
        report.add(code, (*path, "values"), f"required with the operator {operator}")
    elif operator in ("Exists", "DoesNotExist") and values:
        report.add(code, (*path, "values"), f"not allowed with the operator {operator}")
    elif operator in ("Gt", "Lt") and len(values) != 1:
        report.add(code, (*path, "values"), f"the operator {operator} takes one value, found {len(values)}")
    if not is_qualified_name(report.text(*path, "key")):
        report.add(code, (*path, "key"), f"expected a label, found {report.at(*path, 'key')!r}")
    for index, value in enumerate(values if check_values else ()):
        if isinstance(value, str) and not is_label_value(value):
            report.add(code, (*path, "values", index), f'"{value}" is not a valid label value')


def _check_match(report: Report) -> None:
    labels_path = ("spec", "template", "metadata", "labels")
    labels = report.mapping(*labels_path)
    hint = "the template's labels need every label of the selector"
    for key, value in report.mapping(*SELECTOR, "matchLabels").items():
        if labels.get(key) != value:
            found = f"{key}: {labels[key]}" if key in labels else f"no label {key}"
            message = f"the selector requires {key}: {value}, the template has {found}"
            report.add("RS204", (*labels_path, key), message, hint, field="spec.template.metadata.labels")
    for expression in report.items(*SELECTOR, "matchExpressions"):
        if not matches(expression, labels):
            key, operator = expression["key"], expression["operator"]
            message = (
                f"the selector requires {key} {operator} {', '.join(map(str, expression.get('values') or ()))}".rstrip()
            )
            report.add("RS204", (*labels_path, key), message, hint, field="spec.template.metadata.labels")


def deployment_hash_paths(value: Any, path: Path) -> Iterator[Path]:
    """Yield the paths below ``value``, part of a pod template, that name the label of a Deployment's pods.

    They are keys of selectors, and items of ``matchLabelKeys`` and ``mismatchLabelKeys``.
    """
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from deployment_hash_paths(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if path[-1] == "matchLabels" and key == DEPLOYMENT_HASH:
                yield (*path, str(key))
            yield from deployment_hash_paths(item, (*path, str(key)))
    elif value == DEPLOYMENT_HASH and ({"matchLabelKeys", "mismatchLabelKeys"} & set(path) or path[-1] == "key"):
        yield path
