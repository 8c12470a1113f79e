"""A Rollout or pod template as the API server stores it: pruned, with the defaults of the Rollout CRD."""

from __future__ import annotations

from functools import cache
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.pod_template.schema import Outcome, Path, Schema, json_type
from renderer.rollouts.pod_template.table import rollout_schema

NOWHERE = Source("")
"""The source of data that no file has."""
TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")
"""The fields of a Rollout; the API server drops others."""


def default_rollout(body: Body, source: Source = NOWHERE, crd_version: str = DEFAULT_VERSION) -> dict[str, Any]:
    """Return a Rollout with its ``spec`` pruned and defaulted by the CRD of Argo Rollouts v1.9.1, or v1.8.4 for "1.8".

    The CRD of a cluster may be newer than its controller.  ``metadata`` and ``status`` do not change.  Raise
    RollstepError with every value that the API server refuses, in its words, with the position from ``source``.
    """
    result, out = stored_rollout(body, crd_version)
    raise_errors(out, source)
    return result


def stored_rollout(body: Body, crd_version: str = DEFAULT_VERSION) -> tuple[dict[str, Any], Outcome]:
    """Return the Rollout of ``default_rollout``, with the unknown and invalid fields."""
    out = Outcome()
    out.unknown += [(key,) for key in body if key not in TOP_LEVEL]
    result = {key: value for key, value in body.items() if key in TOP_LEVEL}
    if result.get("spec") is None:
        out.errors.append((("spec",), "Required value", ""))
    else:
        result["spec"] = _spec(crd_version).apply(result["spec"], ("spec",), out)
    _check_metadata(body.get("metadata"), out)
    return result, out


def default_template(
    template: Any, crd_version: str = DEFAULT_VERSION, source: Source = NOWHERE, path: Path = ()
) -> dict[str, Any]:
    """Return a pod template with the defaults of ``default_rollout``; ``path`` is its path in ``source``.

    Raise RollstepError like ``default_rollout``.
    """
    out = Outcome()
    result = _template(crd_version).apply(template, path, out)
    raise_errors(out, source)
    checked: dict[str, Any] = result
    return checked


@cache
def _spec(crd_version: str) -> Schema:
    return Schema(rollout_schema(crd_version))


@cache
def _template(crd_version: str) -> Schema:
    schema = _spec(crd_version).field("template")
    assert schema is not None
    return schema


def _check_metadata(metadata: Any, out: Outcome) -> None:
    if not isinstance(metadata, dict):
        if metadata is not None:
            out.wrong_type(metadata, ("metadata",), "object")
        return
    for name in ("name", "namespace"):
        if not isinstance(metadata.get(name, ""), str | None):
            out.wrong_type(metadata[name], ("metadata", name), "string")
    for name in ("labels", "annotations"):
        values = metadata.get(name) or {}
        if not isinstance(values, dict):
            out.wrong_type(values, ("metadata", name), "object")
            continue
        for key, value in values.items():
            # The API server reads a null as "".
            if json_type(value) not in ("string", "null"):
                out.wrong_type(value, ("metadata", name, key), "string")


def raise_errors(out: Outcome, source: Source) -> None:
    """Raise RollstepError with the errors of ``out``, if any, and their positions."""
    if out.errors:
        raise RollstepError(
            Finding(source.file, *source.position(path), field_path(path), message, hint)
            for path, message, hint in out.errors
        )
