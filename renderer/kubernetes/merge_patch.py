"""JSON merge patches (RFC 7386)."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.manifest import Body


def merge(target: Any, patch: Any) -> Any:
    """Return ``target`` with the merge patch applied: null removes, mappings merge, other values replace."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def merge_patch_between(before: Body, after: Body) -> dict[str, Any]:
    """Return the merge patch from ``before`` to ``after``; empty if they are equal."""
    patch: dict[str, Any] = {key: None for key in sorted(before) if key not in after}
    for key in sorted(after):
        old, new = before.get(key), after[key]
        if isinstance(old, dict) and isinstance(new, dict):
            inner = merge_patch_between(old, new)
            if inner:
                patch[key] = inner
        elif key not in before or old != new or isinstance(old, bool) != isinstance(new, bool):
            patch[key] = new
    return patch
