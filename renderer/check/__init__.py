"""What is wrong with a Rollout and with what it refers to, told before anything is rendered (pure).

The rules are those of the controller (Argo Rollouts v1.9.1, ``pkg/apis/rollouts/validation`` and
``rollout/controller.go``) and of the API server, and a finding's field is the one that they name, which is not always
where it stands in the manifest (``spec.strategy.stableService``); its line and column are.  Where the controller would
go on with what has no meaning (a quantity that is none, a percentage above 100), it is refused as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from renderer.check.analyses import check_analyses
from renderer.check.pod import check_template
from renderer.check.references import Objects, check_references
from renderer.check.report import Path, Report
from renderer.check.router_objects import check_router_objects
from renderer.check.scaling import check_scaling
from renderer.check.spec import check_spec
from renderer.errors import Finding, RollstepError
from renderer.manifest import Manifest
from renderer.model import Rollout
from renderer.pod_template import DEFAULT_PROFILE, default_rollout, unknown_fields
from renderer.pod_template.table import rollout_schema


def check(
    app_rollout: Manifest,
    manifests: Sequence[Manifest] | Objects,
    controller_version: str = DEFAULT_PROFILE,
    allow: Collection[str] = (),
    *,
    is_app: bool = True,
) -> list[Finding]:
    """Return everything that is wrong with a Rollout among the other ``manifests`` of its app, sorted by place.

    Types, required and unknown fields are by the CRD of ``controller_version``; ``allow`` is the setting of that name,
    ``is_app`` false for a Rollout that the controller runs.
    """
    report = Report(app_rollout, allow, is_app=is_app)
    objects = manifests if isinstance(manifests, Objects) else Objects(manifests)
    check_spec(report)
    if not report.at("spec", "workloadRef"):
        check_template(report)
    check_references(report, objects)
    check_router_objects(report, objects)
    check_analyses(report, objects)
    _check_unknown(report, controller_version)
    _check_types(report, controller_version)
    check_scaling(report, objects)
    return sorted(
        report.findings,
        key=lambda finding: (
            finding.file != app_rollout.source.file,
            finding.file,
            finding.line,
            finding.column,
            finding.field,
        ),
    )


def _check_unknown(report: Report, controller_version: str) -> None:
    """Report fields that the API server would drop, which ``kubectl apply`` refuses as well."""
    for path in unknown_fields(report.rollout.body, controller_version):
        # A Rollout that is right has no need of it.
        from difflib import get_close_matches

        known = _known_fields(path[:-1], controller_version)
        near = get_close_matches(str(path[-1]), known, n=1)
        report.add("RS104", path, "unknown field", f"did you mean {near[0]}?" if near else "take it out")


def _known_fields(path: Path, controller_version: str) -> list[str]:
    """Return the names of the fields that the CRD has at ``path``, sorted."""
    schema: Any = {"properties": {"spec": rollout_schema(controller_version)}}
    for part in path:
        if not isinstance(schema, dict):
            return []
        below = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = schema.get("additionalProperties") if below is None else below
    return sorted(schema.get("properties", {})) if isinstance(schema, dict) else []


def _check_types(report: Report, controller_version: str) -> None:
    """Report what the CRD refuses and no check has found before."""
    found = {finding.field for finding in report.findings}
    try:
        body = default_rollout(report.rollout.body, report.rollout.source, controller_version)
        if not found:
            Rollout.from_body(body, report.rollout.source)
    except RollstepError as error:
        report.findings += [_coded(finding) for finding in error.findings if finding.field not in found]


def _coded(finding: Finding) -> Finding:
    """Return a finding in the API server's words with the code of its rule."""
    return replace(finding, code="RS103" if finding.message == "Required value" else "RS102")
