"""Labels and selectors, by the API server's rules (Kubernetes v1.34 ``apimachinery/pkg/util/validation``), pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from renderer.check.report import Path, Report
from renderer.selectors import matches

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
SELECTOR: Path = ("spec", "selector")


def is_dns_label(text: str) -> bool:
    """Tell whether ``text`` is an RFC 1123 label."""
    return len(text) <= 63 and DNS_LABEL.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """Tell whether ``text`` is the key of a label or annotation: a name, after a domain and a slash or without them."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and DNS_SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """Tell whether ``text`` may be the value of a label."""
    return not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text) is not None)


def check_labels(report: Report, path: Path, field: str) -> None:
    """Report labels at ``path`` that are none; ``field`` is the API server's name of them."""
    for key, value in report.mapping(*path).items():
        if not is_qualified_name(str(key)):
            message = f'"{key}" is no label: expected letters, digits, -, _ and ., a letter or digit first and last'
            report.add("RS202", (*path, key), message, field=field)
        if isinstance(value, str) and not is_label_value(value):
            message = f'"{value}" is no value of a label: expected up to 63 letters, digits, -, _ and .'
            report.add("RS202", (*path, key), message, field=field)


def check_selector(report: Report) -> None:
    """Report a selector that is missing, empty, wrong, or does not match the pod template's labels."""
    selector = report.at(*SELECTOR)
    if selector is None:
        report.add("RS203", SELECTOR, "required: the labels that pods of this Rollout have")
        return
    if not isinstance(selector, Mapping):
        return
    expressions = report.items(*SELECTOR, "matchExpressions")
    if not report.mapping(*SELECTOR, "matchLabels") and not expressions:
        report.add("RS203", SELECTOR, "an empty selector would select every pod", "name the labels of the pod template")
        return
    check_labels(report, (*SELECTOR, "matchLabels"), "spec.selector.matchLabels")
    right = [_check_expression(report, index) for index in range(len(expressions))]
    if all(right):
        _check_match(report)


def _check_expression(report: Report, index: int) -> bool:
    path: Path = (*SELECTOR, "matchExpressions", index)
    operator, values = report.at(*path, "operator"), report.items(*path, "values")
    before = len(report.findings)
    if operator not in _OPERATORS:
        report.add("RS203", (*path, "operator"), f"expected one of {', '.join(_OPERATORS)}, found {operator}")
    elif operator in ("In", "NotIn") and not values:
        report.add("RS203", (*path, "values"), f"required with the operator {operator}")
    elif operator in ("Exists", "DoesNotExist") and values:
        report.add("RS203", (*path, "values"), f"not allowed with the operator {operator}")
    if not is_qualified_name(report.text(*path, "key")):
        report.add("RS203", (*path, "key"), f"expected a label, found {report.at(*path, 'key')!r}")
    return len(report.findings) == before


def _check_match(report: Report) -> None:
    labels_path = ("spec", "template", "metadata", "labels")
    labels = report.mapping(*labels_path)
    hint = "the template's labels need every label of the selector"
    for key, value in report.mapping(*SELECTOR, "matchLabels").items():
        if labels.get(key) != value:
            found = f"{key}: {labels[key]}" if key in labels else f"no label {key}"
            message = f"the selector wants {key}: {value}, the template has {found}"
            report.add("RS204", (*labels_path, key), message, hint, field="spec.template.metadata.labels")
    for expression in report.items(*SELECTOR, "matchExpressions"):
        if not matches(expression, labels):
            key, operator = expression["key"], expression["operator"]
            message = (
                f"the selector wants {key} {operator} {', '.join(map(str, expression.get('values') or ()))}".rstrip()
            )
            report.add("RS204", (*labels_path, key), message, hint, field="spec.template.metadata.labels")
