"""Label selectors, as Kubernetes reads them (``apimachinery/pkg/apis/meta/v1`` of v1.34)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Return whether a LabelSelector matches ``labels``.

    An empty selector matches everything; a missing or malformed one, which the API server refuses, matches nothing.
    """
    if not isinstance(selector, dict):
        return False
    wanted, expressions = selector.get("matchLabels") or {}, selector.get("matchExpressions") or []
    if not isinstance(wanted, dict) or not isinstance(expressions, list):
        return False
    return all(key in labels and labels[key] == value for key, value in wanted.items()) and all(
        isinstance(expression, dict) and matches(expression, labels) for expression in expressions
    )


def matches(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Return whether one of a selector's ``matchExpressions`` matches ``labels``."""
    key, values = str(expression.get("key")), expression.get("values")
    values = values if isinstance(values, list) else []
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
