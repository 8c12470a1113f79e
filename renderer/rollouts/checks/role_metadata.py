"""Labels and annotations that pods have in a role: ``canaryMetadata``, ``stableMetadata`` and the like.

The controller changes them on running pods.  A ReplicaSet does not, so that pods keep those that they began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renderer.kubernetes.manifest import Manifest, field_path
from renderer.kubernetes.selectors import selects
from renderer.rollouts.checks.references import Objects
from renderer.rollouts.checks.report import Path, Report, part_of
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.spec import BLUE_GREEN, CANARY

FIELDS: tuple[Path, ...] = (
    (*CANARY, "canaryMetadata"),
    (*CANARY, "stableMetadata"),
    (*BLUE_GREEN, "previewMetadata"),
    (*BLUE_GREEN, "activeMetadata"),
)
NOT_OF_PODS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "ServiceMonitor", "Gateway"})
"""Kinds whose ``spec.selector`` is about other objects than the Rollout's pods."""


def check_role_metadata(report: Report, objects: Objects) -> None:
    """Report selectors that depend on a label of a role, which running pods do not get."""
    keys = {key: field for field in FIELDS for key in report.mapping(*field, "labels")}
    if not keys:
        return
    own = report.rollout.namespace
    labels = {**report.mapping("spec", "template", "metadata", "labels"), HASH_LABEL: ""}
    others = [manifest for manifest in objects.all() if (manifest.namespace or own) == own]
    for manifest in (report.rollout, *others):
        for path, selector in _selectors(manifest):
            for key in sorted(keys.keys() & _keys(selector)):
                if selects(_without(selector, {*keys, HASH_LABEL}), labels):
                    field = field_path((*keys[key], "labels", key))
                    message = f"selects pods by {key}, which {field} sets and running pods do not get"
                    hint = "select by other labels, or let the Services of the Rollout select: they follow the release"
                    report.add("RS331", path, message, hint, manifest=manifest)


def _selectors(manifest: Manifest) -> Iterator[tuple[Path, Any]]:
    """Yield the path of each selector of pods, as a LabelSelector."""
    own: Path = ("spec", "selector")
    for path, value in _mappings(manifest.body, ()):
        if path == own and manifest.kind in NOT_OF_PODS:
            continue
        is_plain = manifest.kind == "Service" and path == own
        is_subset = manifest.kind == "DestinationRule" and path[-1:] == ("labels",) and "subsets" in path
        is_workload = path[-2:] == ("workloadSelector", "labels")
        if is_plain or is_subset or is_workload:
            yield path, {"matchLabels": value}
        elif (manifest.kind != "Rollout" or path != own) and ("matchLabels" in value or "matchExpressions" in value):
            yield path, value


def _mappings(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mappings(item, (*path, index))
    elif isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _mappings(item, (*path, str(key)))


def _keys(selector: Any) -> set[str]:
    expressions = part_of(selector, ("matchExpressions",))
    named = {str(part_of(item, ("key",))) for item in expressions} if isinstance(expressions, list) else set()
    labels = part_of(selector, ("matchLabels",))
    return named | ({*map(str, labels)} if isinstance(labels, dict) else set())


def _without(selector: Any, keys: set[str]) -> dict[str, Any]:
    """Return a LabelSelector without the requirements for ``keys``."""
    labels, expressions = part_of(selector, ("matchLabels",)), part_of(selector, ("matchExpressions",))
    return {
        "matchLabels": {key: text for key, text in labels.items() if key not in keys}
        if isinstance(labels, dict)
        else {},
        "matchExpressions": [
            item
            for item in (expressions if isinstance(expressions, list) else ())
            if part_of(item, ("key",)) not in keys
        ],
    }
